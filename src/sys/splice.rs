//! A pipe that carries bytes between two sockets without their passing through user space.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use nix::{
    fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice},
    unistd::pipe2,
};

/// A pipe and the number of bytes that wait in it.
///
/// Both ends are ours alone and every byte goes through [`Pipe::fill_from`] and
/// [`Pipe::drain_into`], so the number is exact: a pipe that says it is empty carries nothing of
/// its last user.
#[derive(Debug)]
pub struct Pipe {
    drain: OwnedFd,
    fill: OwnedFd,
    held: usize,
}

impl Pipe {
    /// Makes a close-on-exec pipe of `capacity` bytes.
    ///
    /// # Errors
    /// `EMFILE` or `ENFILE` when there are no descriptors; `EPERM` when an unprivileged user's
    /// pipes already hold `fs.pipe-user-pages-soft` pages: the kernel then hands out pipes of two
    /// pages, which are slower than copying, and refuses to grow them.
    pub fn new(capacity: usize) -> io::Result<Self> {
        // Not O_NONBLOCK: SPLICE_F_NONBLOCK on each call does the same for the pipe's side.
        let (drain, fill) = pipe2(OFlag::O_CLOEXEC)?;
        let wanted = i32::try_from(capacity).unwrap_or(i32::MAX);
        fcntl(&fill, FcntlArg::F_SETPIPE_SZ(wanted))?;
        Ok(Self { drain, fill, held: 0 })
    }

    /// Whether nothing waits in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Moves what the socket has received into the pipe, up to `most` bytes; 0 is the end of the
    /// input.
    ///
    /// Fill an empty pipe only: then "would block" can mean only that the socket has nothing. A
    /// short count does not mean that, because every fragment of a packet takes a slot of the pipe
    /// and the slots may run out first.
    ///
    /// # Errors
    /// Those of `splice(2)`; what the socket reports of its peer is among them.
    pub fn fill_from(&mut self, socket: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        debug_assert!(self.is_empty(), "a full pipe and an empty socket would both be EAGAIN");
        let moved =
            splice(socket, None, self.fill.as_fd(), None, most, SpliceFFlags::SPLICE_F_NONBLOCK)?;
        self.held += moved;
        Ok(moved)
    }

    /// Moves what waits in the pipe to the socket, as much as it takes.
    ///
    /// # Errors
    /// Those of `splice(2)`; what the socket reports of its peer is among them.
    pub fn drain_into(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let moved = splice(
            self.drain.as_fd(),
            None,
            socket,
            None,
            self.held,
            SpliceFFlags::SPLICE_F_NONBLOCK,
        )?;
        self.held -= moved;
        Ok(moved)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{ErrorKind, Read, Write},
        os::{fd::AsFd, unix::net::UnixStream},
    };

    use super::Pipe;

    #[test]
    fn carries_bytes_from_socket_to_socket_and_knows_how_many_wait() {
        let (mut source, near) = UnixStream::pair().unwrap();
        let (far, mut sink) = UnixStream::pair().unwrap();
        let mut pipe = Pipe::new(65536).unwrap();
        source.write_all(b"through").unwrap();
        drop(source);
        assert_eq!(pipe.fill_from(near.as_fd(), 65536).unwrap(), 7);
        assert!(!pipe.is_empty());
        assert_eq!(pipe.drain_into(far.as_fd()).unwrap(), 7);
        assert!(pipe.is_empty());
        assert_eq!(pipe.fill_from(near.as_fd(), 65536).unwrap(), 0, "the end");
        drop(far);
        let mut read = Vec::new();
        sink.read_to_end(&mut read).unwrap();
        assert_eq!(read, b"through");
    }

    #[test]
    fn an_empty_socket_would_block() {
        let (_source, near) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let mut pipe = Pipe::new(65536).unwrap();
        let error = pipe.fill_from(near.as_fd(), 65536).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
}
