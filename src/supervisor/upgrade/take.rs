//! The new process takes the sockets of the old one over.

use std::{fs::File, io, os::fd::OwnedFd, path::PathBuf, time::Duration};

use tokio::time::timeout;
use tracing::warn;

use super::{
    channel::{Broken, Channel},
    frame::{Item, MAX_BATCH, Message, VERSION},
};
use crate::{
    policy::ListenerId,
    runtime::bind::{FileId, Handed, Unfit},
    supervisor::{
        admin::client::{self, AskError},
        sockets::inherit::Inherited,
    },
    sys::scm,
};

/// Time for each answer of the old process, which has nothing to think about.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the process is that hands over.
#[derive(Debug, Clone)]
pub enum TakeOver {
    /// At the other end of standard input: it has started this one.
    Parent,
    /// Behind its admin socket.
    At(PathBuf),
}

/// What the process before has handed over.
#[derive(Debug)]
pub(in crate::supervisor) struct Legacy {
    channel: Channel,
    /// Which process it is.
    pub(in crate::supervisor) pid: u32,
    /// The configuration that it runs.
    pub(in crate::supervisor) generation: u64,
    /// Its sockets.
    pub(in crate::supervisor) sockets: Vec<Inherited>,
    /// Its instance lock.
    pub(in crate::supervisor) lock: Option<File>,
    /// Channels to those that were before it and still drain, the oldest first.
    pub(in crate::supervisor) predecessors: Vec<(u32, u64, usize, OwnedFd)>,
}

/// What became of the old process.
#[derive(Debug)]
pub(in crate::supervisor) enum Relieved {
    /// It lets its sessions finish, and can be told over the channel.
    Draining(Channel, usize),
    /// It is gone, or does not answer. What it has handed over is here.
    Gone,
}

/// Why nothing was taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// It cannot be asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Nobody is at the other end.
    #[error("there is no channel to take sockets from")]
    NoChannel(#[source] io::Error),
    /// It ended, or what is between is broken.
    #[error("{0}")]
    Broken(String),
    /// It took too long.
    #[error("the running process does not answer")]
    Silent,
    /// It speaks another language.
    #[error("the running process speaks version {0} of the hand-over, and this is {VERSION}")]
    Version(u16),
    /// Not everything came.
    #[error("{received} of {announced} descriptors came")]
    Lost {
        /// How many were to come.
        announced: u32,
        /// How many did.
        received: usize,
    },
    /// It says what has no place there.
    #[error("the running process says something else than was to come")]
    Unexpected,
    /// It has kept the sockets after all.
    #[error("the running process goes on: {0}")]
    Aborted(String),
}

impl From<Broken> for TakeError {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken.to_string())
    }
}

/// Asks for everything and waits until it is there.
///
/// # Errors
/// When it is not; the old process goes on then.
pub(in crate::supervisor) async fn take(from: &TakeOver) -> Result<Legacy, TakeError> {
    let socket = match from {
        TakeOver::Parent => scm::standard_input().map_err(TakeError::NoChannel)?,
        TakeOver::At(path) => client::ask_for_channel(path)?,
    };
    let mut channel = Channel::over(socket).map_err(TakeError::NoChannel)?;
    let (build, pid) = (env!("CARGO_PKG_VERSION").to_owned(), std::process::id());
    channel.send(Message::Hello { versions: vec![VERSION], build, pid }, &[]).await?;
    let (pid, generation, announced) = match next(&mut channel).await?.0 {
        Message::Welcome { version: VERSION, pid, generation, descriptors, .. } => {
            (pid, generation, descriptors)
        }
        Message::Welcome { version, .. } => return Err(TakeError::Version(version)),
        _ => return Err(TakeError::Unexpected),
    };
    channel.send(Message::Get, &[]).await?;
    let (sockets, predecessors) = (Vec::new(), Vec::new());
    let mut legacy = Legacy { channel, pid, generation, sockets, lock: None, predecessors };
    let mut missing = usize::try_from(announced).map_err(|_| TakeError::Unexpected)?;
    while missing > 0 {
        let received = legacy.unpack().await?;
        let lost = TakeError::Lost { announced, received };
        missing = missing.checked_sub(received).ok_or(lost)?;
    }
    Ok(legacy)
}

impl Legacy {
    /// Takes one batch, and says how many descriptors were in it.
    async fn unpack(&mut self) -> Result<usize, TakeError> {
        let (message, sequence, descriptors) = next(&mut self.channel).await?;
        let Message::Batch { items } = message else { return Err(TakeError::Unexpected) };
        let received = descriptors.len();
        let announced = u32::try_from(items.len()).unwrap_or(u32::MAX);
        if items.len() != received || received == 0 || received > MAX_BATCH {
            return Err(TakeError::Lost { announced, received });
        }
        for (item, open) in items.into_iter().zip(descriptors) {
            self.sort(item, open);
        }
        self.channel.send(Message::Ack { sequence, received: announced }, &[]).await?;
        Ok(received)
    }

    fn sort(&mut self, item: Item, open: OwnedFd) {
        let (listener, socket) = match item {
            Item::Lock => return self.lock = Some(File::from(open)),
            Item::Predecessor { pid, generation, sessions } => {
                return self.predecessors.push((pid, generation, sessions, open));
            }
            Item::Socket { listener } => (listener, Handed::recognise(open)),
            Item::Path { listener, path, device, inode } => {
                (listener, Handed::of_path(open, path, FileId { device, inode }))
            }
            // A newer version has something of its own; it is closed here and stays open there.
            Item::Unknown => return,
        };
        self.keep(listener, socket);
    }

    fn keep(&mut self, listener: String, socket: Result<Handed, Unfit>) {
        match socket {
            Ok(socket) => {
                let listener = ListenerId::new(&listener);
                self.sockets.push(Inherited { socket, listener });
            }
            // What the plan wants there is bound anew, or that fails and says why.
            Err(error) => warn!(listener, %error, "a socket of the running process is of no use"),
        }
    }

    /// Tells the old process that this one is ready, and waits until it takes no more clients.
    ///
    /// # Errors
    /// When it has given up before; it goes on, and this one has to end.
    pub(in crate::supervisor) async fn ready(mut self) -> Result<Relieved, TakeError> {
        // One that has given up has said so before it closed its end.
        let _gone = self.channel.send(Message::Ready, &[]).await;
        match next(&mut self.channel).await {
            Ok((Message::Draining { sessions }, ..)) => {
                Ok(Relieved::Draining(self.channel, sessions))
            }
            Ok((Message::Abort { reason }, ..)) => Err(TakeError::Aborted(reason)),
            Ok(_) => Err(TakeError::Unexpected),
            Err(TakeError::Aborted(reason)) => Err(TakeError::Aborted(reason)),
            Err(error) => {
                warn!(%error, "the process before does not answer; its sockets are served here");
                Ok(Relieved::Gone)
            }
        }
    }
}

/// The next message, in time.
async fn next(channel: &mut Channel) -> Result<(Message, u32, Vec<OwnedFd>), TakeError> {
    let arrived = timeout(PATIENCE, channel.receive()).await.map_err(|_| TakeError::Silent)??;
    match arrived.message {
        Message::Abort { reason } => Err(TakeError::Aborted(reason)),
        message => Ok((message, arrived.sequence, arrived.descriptors)),
    }
}
