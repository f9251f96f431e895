//! The channel between two processes that hand over: frames with descriptors, one after the other.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use socket2::{Socket, Type};
use tokio::io::{Interest, unix::AsyncFd};

use super::frame::{Frame, MAX_FRAME, Malformed, Message};
use crate::sys::{
    poll::{self, Polled},
    scm,
};

/// One end of a channel.
#[derive(Debug)]
pub(in crate::supervisor) struct Channel {
    socket: AsyncFd<Polled>,
    sent: u32,
}

/// What came.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) sequence: u32,
    pub(super) message: Message,
    pub(super) descriptors: Vec<OwnedFd>,
}

/// Why a channel is of no more use.
#[derive(Debug, thiserror::Error)]
pub(in crate::supervisor) enum Broken {
    /// The other process has closed its end, as it does by ending.
    #[error("the other process is gone")]
    Gone,
    /// The kernel refuses.
    #[error("the channel is broken: {0}")]
    Io(#[from] io::Error),
    /// It is none of ours at the other end.
    #[error("the other process does not make sense: {0}")]
    Malformed(#[from] Malformed),
}

impl Channel {
    /// Takes a socket for one end.
    ///
    /// # Errors
    /// When it is no socket that keeps messages apart, or cannot be polled.
    pub(in crate::supervisor) fn over(socket: OwnedFd) -> io::Result<Self> {
        let socket = Socket::from(socket);
        if socket.r#type()? != Type::SEQPACKET {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no channel"));
        }
        socket.set_nonblocking(true)?;
        Ok(Self { socket: poll::readable_and_writable(Arc::new(socket))?, sent: 0 })
    }

    /// The socket, for whoever is to speak next.
    pub(in crate::supervisor) fn shared(&self) -> Arc<Socket> {
        self.socket.get_ref().shared()
    }

    /// Sends a message, and returns the number of its frame.
    pub(super) async fn send(
        &mut self,
        message: Message,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<u32, Broken> {
        self.sent += 1;
        let bytes = Frame { sequence: self.sent, message }.write()?;
        let send = |socket: &Polled| scm::send(socket.as_fd(), &bytes, descriptors);
        match self.socket.async_io(Interest::WRITABLE, send).await {
            Ok(_whole) => Ok(self.sent),
            Err(error) if is_gone(&error) => Err(Broken::Gone),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for the next message. One that is not known here is answered and passed over.
    pub(super) async fn receive(&mut self) -> Result<Arrived, Broken> {
        let mut buffer = vec![0; MAX_FRAME];
        loop {
            let receive = |socket: &Polled| scm::receive(socket.as_fd(), &mut buffer);
            let received = match self.socket.async_io(Interest::READABLE, receive).await {
                Ok(received) if received.length == 0 => return Err(Broken::Gone),
                Ok(received) => received,
                // The other end was closed over something that it had not read. The kernel says so
                // once, and before what the other has said last, which counts all the same.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => continue,
                Err(error) => return Err(error.into()),
            };
            let frame = Frame::read(buffer.get(..received.length).unwrap_or_default())?;
            match frame.message {
                Message::Unknown => _ = self.send(Message::Unsupported, &[]).await?,
                Message::Unsupported => {}
                message => {
                    let (sequence, descriptors) = (frame.sequence, received.descriptors);
                    return Ok(Arrived { sequence, message, descriptors });
                }
            }
        }
    }
}

/// Says something to the other end if it listens, without waiting: what is said so is a courtesy.
pub(super) fn mention(socket: &Socket, message: Message) {
    if let Ok(bytes) = (Frame { sequence: 0, message }).write() {
        // It may be gone, or slow; then it does without.
        drop(scm::send(socket.as_fd(), &bytes, &[]));
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_even_of_one_who_did_not_listen_to_the_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (near, far) = scm::pair().unwrap();
            let (mut near, far) = (Channel::over(near).unwrap(), Channel::over(far).unwrap());
            near.send(Message::Ready, &[]).await.unwrap();
            mention(&far.shared(), Message::Abort { reason: "late".to_owned() });
            drop(far);
            let last = near.receive().await.unwrap().message;
            assert_eq!(last, Message::Abort { reason: "late".to_owned() });
            assert!(matches!(near.receive().await, Err(Broken::Gone)));
        });
    }
}
