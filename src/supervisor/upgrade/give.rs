//! The old process hands its sockets over. Until the new one says that it serves, nothing here has
//! changed, and everything goes on as if it had never been asked.

use std::{os::fd::AsFd, sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{
    channel::{Arrived, Broken, Channel, mention},
    frame::{Item, MAX_BATCH, Message, VERSION},
};

/// Everything that the new process gets.
pub(in crate::supervisor) struct Parcel {
    pub(in crate::supervisor) generation: u64,
    pub(in crate::supervisor) items: Vec<(Item, Descriptor)>,
}

/// An open file that somebody here holds.
pub(in crate::supervisor) type Descriptor = Arc<dyn AsFd + Send + Sync>;

/// Why nothing was handed over.
#[derive(Debug, thiserror::Error)]
pub(in crate::supervisor) enum GiveError {
    /// It ended, or what is between is broken.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// It took too long.
    #[error("the new process did not serve within {0:?}")]
    Late(Duration),
    /// It speaks another language.
    #[error("the new process speaks the versions {0:?} of the hand-over, and here is {VERSION}")]
    Version(Vec<u16>),
    /// It did not get what was sent.
    #[error("the new process got {received} of {sent} descriptors")]
    Lost {
        /// How many were sent.
        sent: usize,
        /// How many came.
        received: u32,
    },
    /// It says what has no place there.
    #[error("the new process says something else than was to come")]
    Unexpected,
}

/// Hands over, and returns the channel once the new process serves.
///
/// # Errors
/// When it did not come to that. The new process has been told then, if it still listens.
pub(in crate::supervisor) async fn give(
    mut channel: Channel,
    parcel: Parcel,
    within: Duration,
) -> Result<Channel, GiveError> {
    let given = timeout(within, parcel.pass(&mut channel)).await;
    let Err(error) = given.unwrap_or(Err(GiveError::Late(within))) else { return Ok(channel) };
    mention(&channel.shared(), Message::Abort { reason: error.to_string() });
    Err(error)
}

impl Parcel {
    async fn pass(self, channel: &mut Channel) -> Result<(), GiveError> {
        let Message::Hello { versions, .. } = channel.receive().await?.message else {
            return Err(GiveError::Unexpected);
        };
        if !versions.contains(&VERSION) {
            return Err(GiveError::Version(versions));
        }
        let welcome = Message::Welcome {
            version: VERSION,
            build: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            generation: self.generation,
            descriptors: u32::try_from(self.items.len()).unwrap_or(u32::MAX),
        };
        channel.send(welcome, &[]).await?;
        expect(channel.receive().await?, &Message::Get)?;
        for batch in self.items.chunks(MAX_BATCH) {
            let items = batch.iter().map(|(item, _)| item.clone()).collect();
            let descriptors: Vec<_> = batch.iter().map(|(_, open)| open.as_fd()).collect();
            let sent = channel.send(Message::Batch { items }, &descriptors).await?;
            match channel.receive().await?.message {
                Message::Ack { sequence, received }
                    if sequence == sent && usize::try_from(received) == Ok(batch.len()) => {}
                Message::Ack { received, .. } => {
                    return Err(GiveError::Lost { sent: batch.len(), received });
                }
                _ => return Err(GiveError::Unexpected),
            }
        }
        expect(channel.receive().await?, &Message::Ready)
    }
}

fn expect(arrived: Arrived, wanted: &Message) -> Result<(), GiveError> {
    if arrived.message == *wanted { Ok(()) } else { Err(GiveError::Unexpected) }
}
