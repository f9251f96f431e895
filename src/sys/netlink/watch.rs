//! Being told when addresses or interfaces change (`man 7 rtnetlink`, multicast groups).

use std::{io, os::fd::AsRawFd, sync::Arc};

use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
    },
};
use socket2::Socket;

/// What is said when an interface, or an address of either family, comes, changes or goes.
const GROUPS: i32 = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;

/// Room for the head of a message. Its content is not read, and the kernel throws away what does
/// not fit.
const HEAD: usize = 64;

/// Messages read at one go; a host that makes more keeps the reader coming back.
const MAX_MESSAGES: usize = 1024;

/// A socket on which the kernel tells of changes. What has changed is not taken from it: messages
/// are dropped when there are many (`ENOBUFS`), so that only [`super::addresses`] and
/// [`super::links`] know how things are.
#[derive(Debug)]
pub struct Watch(Arc<Socket>);

impl Watch {
    /// Changes from here on are told.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkRoute;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        // Port 0 is the kernel's to fill in.
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, GROUPS.cast_unsigned()))?;
        Ok(Self(Arc::new(fd.into())))
    }

    /// The socket, for a poll.
    #[must_use]
    pub fn shared(&self) -> Arc<Socket> {
        Arc::clone(&self.0)
    }

    /// Reads what waits. Returns whether something has changed, or may have: messages that were
    /// dropped count as well.
    ///
    /// # Errors
    /// When the socket is of no use any more.
    pub fn drain(&self) -> io::Result<bool> {
        let mut head = [0; HEAD];
        for read in 0..MAX_MESSAGES {
            match recv(self.0.as_raw_fd(), &mut head, MsgFlags::empty()) {
                Ok(_) | Err(Errno::ENOBUFS | Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(read > 0),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_stays_as_it_is_says_nothing() {
        let watch = Watch::new().unwrap();
        // Other tests may change this host meanwhile, but not without an end.
        while watch.drain().unwrap() {}
        assert!(!watch.drain().unwrap());
    }
}
