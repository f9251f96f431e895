//! A listening socket in a poll of its own choosing: tokio's listeners would take the socket for
//! themselves, and one may pass from worker to worker.

#![expect(
    unsafe_code,
    reason = "tokio cannot know that a descriptor stays open; here it is proved"
)]

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    sync::Arc,
};

use socket2::Socket;
use tokio::io::{Interest, unix::AsyncFd};

/// A socket that is in a poll. Several threads may have the same one in theirs.
#[derive(Debug)]
pub struct Polled(Arc<Socket>);

/// Takes a socket into the poll of the current runtime, to learn when it can be read from (a
/// listener: accepted from). Dropping what is returned takes it out again before it lets go of the
/// socket, so a poll never holds a closed one.
///
/// # Errors
/// When the kernel refuses: `ENOSPC` at `fs.epoll.max_user_watches`, `ENOMEM`, or `EEXIST` if it is
/// in this poll already.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn readable(socket: Arc<Socket>) -> io::Result<AsyncFd<Polled>> {
    register(socket, Interest::READABLE)
}

/// The same, to learn as well when it can be written to.
///
/// # Errors
/// As [`readable`].
///
/// # Panics
/// Outside of a tokio runtime.
pub fn readable_and_writable(socket: Arc<Socket>) -> io::Result<AsyncFd<Polled>> {
    register(socket, Interest::READABLE | Interest::WRITABLE)
}

fn register(socket: Arc<Socket>, interest: Interest) -> io::Result<AsyncFd<Polled>> {
    // SAFETY: a `Socket` has one descriptor from its making to its end, and closes it only then;
    // `Polled` keeps the `Socket`, gives nobody else the way to end it, and is dropped by the
    // `AsyncFd` after it has left the poll.
    let polled = unsafe { AsyncFd::register_with_interest(Polled(socket), interest) };
    Ok(polled?)
}

impl Polled {
    /// The socket, which stays in the poll.
    #[must_use]
    pub fn shared(&self) -> Arc<Socket> {
        Arc::clone(&self.0)
    }
}

impl AsFd for Polled {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Polled {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn one_socket_may_be_in_two_polls_and_outlives_both() {
        let socket = Arc::new(Socket::from(TcpListener::bind("127.0.0.1:0").unwrap()));
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let polled = || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
            let polled = runtime.block_on(async { readable(Arc::clone(&socket)) }).unwrap();
            (polled, runtime)
        };
        let all = [polled(), polled()];
        let _client = TcpStream::connect(address).unwrap();
        for (polled, runtime) in &all {
            runtime.block_on(async { polled.readable().await.unwrap().retain_ready() });
        }
        drop(all);
        assert_eq!(Arc::strong_count(&socket), 1);
        socket.accept().unwrap();
    }
}
