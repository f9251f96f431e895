//! One side of a session: a connected TCP or unix socket, and the few calls a relay makes on it.

use std::{
    io::{self, ErrorKind},
    net::Shutdown,
    os::fd::{AsFd, BorrowedFd},
    task::{Context, Poll},
};

use socket2::SockRef;
use tokio::{
    io::Interest,
    net::{TcpStream, UnixStream},
};

use crate::sys::splice::Pipe;

/// A connected stream socket.
///
/// Its readiness is edge-triggered: the runtime takes a socket to be ready until a call says
/// otherwise. Here a call that moves less than it was asked to says so too, which saves the call
/// that would only report `EAGAIN`. That is sound because whatever happens to the socket afterwards
/// is a new edge: further data, and the end or a reset that came along with the last bytes, for an
/// end stays ready in the runtime once it has been seen (`EPOLLRDHUP`, `EPOLLHUP`). A read also
/// stops short at TCP urgent data and at descriptors passed over a unix socket, neither of which a
/// relay can pass on: what follows them may wait there until the next edge.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a unix socket.
    Unix(UnixStream),
}

impl Stream {
    /// Reads what there is, up to `buffer`; 0 is the end of the input.
    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len();
        self.once(Interest::READABLE, room, || match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Unix(stream) => stream.try_read(buffer),
        })
    }

    /// Writes as much of `bytes` as the socket takes.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.once(Interest::WRITABLE, bytes.len(), || match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        })
    }

    /// Moves up to `most` bytes from the socket into an empty pipe; 0 is the end of the input.
    pub(super) fn try_fill(&self, pipe: &mut Pipe, most: usize) -> io::Result<usize> {
        self.try_io(Interest::READABLE, || pipe.fill_from(self.as_fd(), most))
    }

    /// Drains a pipe into the socket.
    pub(super) fn try_drain(&self, pipe: &mut Pipe) -> io::Result<usize> {
        self.try_io(Interest::WRITABLE, || pipe.drain_into(self.as_fd()))
    }

    /// Has the task woken when there may be something to read; ready at once if there is already.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    /// Has the task woken when the socket may take bytes; ready at once if it does already.
    pub(super) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    /// Tells the peer that no more bytes will come; it may go on sending.
    pub(super) fn end_output(&self) -> io::Result<()> {
        SockRef::from(self).shutdown(Shutdown::Write)
    }

    /// Makes one call, and takes the socket to be exhausted when it moved less than `wanted`.
    fn once(
        &self,
        interest: Interest,
        wanted: usize,
        call: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut moved = None;
        let result = self.try_io(interest, || {
            let count = call()?;
            moved = Some(count);
            // The error tells the runtime that the socket is exhausted; the count gets out by
            // `moved`.
            if 0 < count && count < wanted { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
        });
        moved.map_or(result, Ok)
    }

    fn try_io<R>(&self, interest: Interest, call: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        match self {
            Self::Tcp(stream) => stream.try_io(interest, call),
            Self::Unix(stream) => stream.try_io(interest, call),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}
