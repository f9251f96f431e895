//! Opening the sockets of a plan: bound first, listening on commit, and never different from what
//! was planned.
//!
//! ```text
//!            open                 listen
//!   Bind ───────────▶ Bound ─────────────────▶ BoundSocket…
//!                       │ drop                     ▲
//!                       ▼                          │ listen
//!                    nothing happened            Bound ◀── open_siblings(live socket)
//! ```
//!
//! A [`Bound`] takes no traffic, so a reload opens all it needs, and only when nothing failed lets
//! them listen.
//!
//! # A second copy of the program
//!
//! SO_REUSEPORT lets any process of the same user join, unasked. The first socket of every group is
//! therefore bound and made to listen *without* it, which the kernel refuses while anybody else
//! listens; only then is the option switched on and the siblings join. Those were made earlier, so
//! that what may be lacking (descriptors, an interface) was found lacking before the commit.

mod cause;
mod error;
mod evidence;
mod handed;
mod path;
mod tcp;
mod words;

pub use cause::{Cause, InUse, Near, Owner, PathTrouble, Process, diagnose};
pub use error::{BindError, Step};
pub use evidence::Evidence;
pub use handed::{Handed, Unfit};
pub use path::{FileId, is_as_wanted, remove};

use std::{
    io,
    num::NonZeroU16,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::Arc,
};

use socket2::{SockRef, Socket};

use crate::plan::{Bind, BindAddress, BindKey};

/// Whether a socket of this service may already be at the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbour {
    /// Nothing: whatever is found there is somebody else's.
    None,
    /// A socket that the new one overlaps or replaces. The caller has switched SO_REUSEPORT on
    /// there ([`BoundSocket::set_reuse_port`]), and switches it off again if opening fails.
    Own,
}

/// Sockets of one [`Bind`] that are bound and do not listen. Dropping it leaves no trace.
#[derive(Debug)]
pub struct Bound {
    bind: Bind,
    sockets: Sockets,
}

#[derive(Debug)]
enum Sockets {
    Tcp(tcp::Group),
    Path(path::Pending),
}

/// A listening socket. Having one tells you that its options were read back and are those of its
/// [`Bind`].
#[derive(Debug)]
pub struct BoundSocket {
    socket: Arc<Socket>,
    key: BindKey,
    address: BindAddress,
    /// The file of a path socket.
    file: Option<FileId>,
}

/// Opens the sockets of one bind.
///
/// # Errors
/// With the diagnosis, after which nothing is left behind.
pub fn open(bind: &Bind, neighbour: Neighbour) -> Result<Bound, BindError> {
    if bind.inherited.is_some() {
        let source = io::Error::new(io::ErrorKind::NotFound, "no such socket was passed in");
        return Err(BindError::at(Step::Inherit, bind)(source));
    }
    let sockets = match &bind.key.address {
        BindAddress::Tcp(address) => Sockets::Tcp(tcp::open(bind, *address, neighbour)?),
        BindAddress::Unix(path) => Sockets::Path(path::open(bind, path, neighbour)?),
    };
    Ok(Bound { bind: bind.clone(), sockets })
}

/// Opens `count` more sockets beside one that listens, for a listener whose fan-out grows. The live
/// socket gets SO_REUSEPORT if it lacks it, and loses it again if this fails.
///
/// # Errors
/// With the diagnosis, after which nothing is left behind.
pub fn open_siblings(live: &impl AsFd, bind: &Bind, count: NonZeroU16) -> Result<Bound, BindError> {
    let group = tcp::join(&SockRef::from(live), bind, count)?;
    Ok(Bound { bind: bind.clone(), sockets: Sockets::Tcp(group) })
}

impl Bound {
    /// The identity of the bind.
    #[must_use]
    pub fn key(&self) -> &BindKey {
        &self.bind.key
    }

    /// Lets clients in. For a path socket this is also when its path comes to be, or changes hands.
    ///
    /// # Errors
    /// `EADDRINUSE` when another process came between `open` and this; an option that is not what
    /// was asked for. All sockets of this bind are closed then.
    pub fn listen(self) -> Result<Vec<BoundSocket>, BindError> {
        let Self { bind, sockets } = self;
        match sockets {
            Sockets::Tcp(group) => Ok(group
                .listen(&bind)?
                .into_iter()
                .map(|(socket, address)| {
                    BoundSocket::of(socket, &bind, BindAddress::Tcp(address), None)
                })
                .collect()),
            Sockets::Path(pending) => {
                let (socket, file) = pending.listen(&bind)?;
                let address = bind.key.address.clone();
                Ok(vec![BoundSocket::of(socket, &bind, address, Some(file))])
            }
        }
    }
}

impl BoundSocket {
    /// The identity of the bind it belongs to.
    #[must_use]
    pub fn key(&self) -> &BindKey {
        &self.key
    }

    /// Where it is really bound: port 0 has become a port.
    #[must_use]
    pub fn address(&self) -> &BindAddress {
        &self.address
    }

    /// Takes a socket that the process that binds has opened. Nothing is checked again: it is this
    /// very program, and has read the options back.
    #[must_use]
    pub fn opened_elsewhere(
        fd: OwnedFd,
        key: BindKey,
        address: BindAddress,
        file: Option<FileId>,
    ) -> Self {
        Self { socket: Arc::new(Socket::from(fd)), key, address, file }
    }

    /// The descriptor, for a poll that outlives this value.
    pub(super) fn shared(&self) -> Arc<Socket> {
        Arc::clone(&self.socket)
    }

    /// Opens or closes the door for further sockets on an overlapping address.
    ///
    /// Never to be closed on a member of a group of several: the kernel then stops to balance over
    /// it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_reuse_port(&self, reuse: bool) -> io::Result<()> {
        self.socket.set_reuse_port(reuse)
    }

    /// Where the file of a path socket is, and which it is.
    #[must_use]
    pub fn named_file(&self) -> Option<(&Path, FileId)> {
        match (&self.address, self.file) {
            (BindAddress::Unix(path), Some(file)) => Some((path, file)),
            _ => None,
        }
    }

    /// Whether the file of a path socket is still in its place, rather than another's.
    #[must_use]
    pub fn has_its_file(&self) -> bool {
        self.named_file().is_some_and(|(path, file)| path::is_at(path, file))
    }

    /// Which file a path socket is, for the process that takes it over.
    #[must_use]
    pub fn file(&self) -> Option<FileId> {
        self.file
    }

    fn of(socket: Socket, bind: &Bind, address: BindAddress, file: Option<FileId>) -> Self {
        Self { socket: Arc::new(socket), key: bind.key.clone(), address, file }
    }
}

impl AsFd for BoundSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests;
