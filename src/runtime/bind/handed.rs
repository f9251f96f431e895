//! Sockets that listen already when they come to this process: from the one before it, or from
//! whoever kept them meanwhile.
//!
//! What such a socket is, only the kernel is asked: a name or a note that comes with it may be
//! about another. The socket is the same one that its other holders have, so taking it changes
//! nothing that they could notice; that is for when they have let go.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
};

use socket2::{Domain, Socket, Type};

use super::{
    BoundSocket, FileId,
    error::{BindError, Failure},
    path, tcp,
};
use crate::plan::{Bind, BindAddress, BindKey};

/// A socket that listens and is of a kind that a plan can have. Having one tells nothing of its
/// further options: see [`Handed::adopt`].
#[derive(Debug)]
pub struct Handed {
    socket: Socket,
    key: BindKey,
    link: Option<u32>,
    file: Option<FileId>,
}

/// Why a descriptor is no socket that a plan can have.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The kernel does not answer.
    #[error("the kernel does not say what it is: {0}")]
    Unknown(#[from] io::Error),
    /// It takes no connections, or no longer.
    #[error("it is not a stream socket that listens")]
    NotListening,
    /// It serves IPv4 as well, which the kernel never takes back.
    #[error("it serves IPv6 and IPv4 at once (IPV6_V6ONLY is off)")]
    DualStack,
    /// It is neither of IP nor the socket of the path that was named.
    #[error("it has no address that a file could name")]
    Unnameable,
    /// A path socket whose file has been removed or replaced.
    #[error("its file is gone from `{}`", .0.display())]
    Displaced(PathBuf),
}

impl Handed {
    /// Asks the kernel what a socket of IP is.
    ///
    /// # Errors
    /// When it is nothing that a plan could list. The descriptor is closed then, which its other
    /// holders do not notice.
    pub fn recognise(fd: OwnedFd) -> Result<Self, Unfit> {
        let socket = listening(fd)?;
        let domain = socket.domain()?;
        let link = match domain {
            Domain::IPV4 => socket.device_index_v4()?,
            Domain::IPV6 if socket.only_v6()? => socket.device_index_v6()?,
            Domain::IPV6 => return Err(Unfit::DualStack),
            _ => return Err(Unfit::Unnameable),
        };
        let address = socket.local_addr()?.as_socket().ok_or(Unfit::Unnameable)?;
        let device = socket.device()?.map(String::from_utf8).transpose();
        let device = device.map_err(|error| Unfit::Unknown(io::Error::other(error)))?;
        let key = BindKey { address: BindAddress::Tcp(address), device, unnumbered: None };
        Ok(Self { socket, key, link: link.map(u32::from), file: None })
    }

    /// Takes a path socket for the one of this path. The kernel knows it by the name under which
    /// it was made, not by the one to which it was moved, so the holder before has to say which
    /// file it is.
    ///
    /// # Errors
    /// When it is no path socket, or another file is at the path by now.
    pub fn of_path(fd: OwnedFd, path: PathBuf, file: FileId) -> Result<Self, Unfit> {
        let socket = listening(fd)?;
        if socket.domain()? != Domain::UNIX {
            return Err(Unfit::Unnameable);
        }
        if !path::is_at(&path, file) {
            return Err(Unfit::Displaced(path));
        }
        let key = BindKey { address: BindAddress::Unix(path), device: None, unnumbered: None };
        Ok(Self { socket, key, link: None, file: Some(file) })
    }

    /// What it is bound to.
    #[must_use]
    pub fn key(&self) -> &BindKey {
        &self.key
    }

    /// Whether it is one of this bind; a bind of port 0 has the one that the kernel chose.
    #[must_use]
    pub fn is_of(&self, key: &BindKey) -> bool {
        let (Some(ours), Some(asked)) = (self.key.socket_addr(), key.socket_addr()) else {
            return false;
        };
        let is_port = ours.port() == asked.port() || asked.port() == 0;
        ours.ip() == asked.ip() && is_port && self.key.device == key.device
    }

    /// The number of the interface it is tied to, which tells one that was made anew under its
    /// name.
    #[must_use]
    pub fn link(&self) -> Option<u32> {
        self.link
    }

    /// Makes it a socket of ours. Options that it lacks and that no other holder can mind are set:
    /// whoever keeps sockets for others makes them with few.
    ///
    /// # Errors
    /// When the kernel refuses an option. The descriptor is closed then.
    pub fn adopt(self, bind: &Bind) -> Result<BoundSocket, BindError> {
        if let BindAddress::Tcp(address) = self.key.address {
            tcp::complete(&self.socket, address)
                .and_then(|()| tcp::verify(&self.socket, bind, address))
                .map_err(|failure: Failure| failure.of(bind))?;
        }
        let address = self.key.address.clone();
        Ok(BoundSocket::of(self.socket, bind, address, self.file))
    }
}

impl AsFd for Handed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn listening(fd: OwnedFd) -> Result<Socket, Unfit> {
    let socket = Socket::from(fd);
    let listens = socket.r#type()? == Type::STREAM && socket.is_listener()?;
    if listens { Ok(socket) } else { Err(Unfit::NotListening) }
}
