//! Every socket of a policy on a host, fully specified. The executor has no choice left.

pub mod build;
pub mod conflict;
pub mod diff;

pub use conflict::{Cause, Conflict};

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    num::NonZeroU16,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::policy::{ListenerId, UnixSocket};

/// The interface that loopback sockets are tied to: `lo` has this name in every network namespace.
pub const LOOPBACK_DEVICE: &str = "lo";

/// Having one tells you that it lists every socket and nothing else, and that no two conflict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The sockets to be had.
    pub binds: BTreeMap<BindKey, Bind>,
    /// What waits for an address or interface that the host lacks (`when_absent: wait`).
    pub parked: Vec<Unbound>,
    /// What was asked for and is left out on purpose, such as `::1` on a host without IPv6.
    pub omitted: Vec<Unbound>,
}

/// The identity of a socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BindKey {
    /// Where it is bound.
    pub address: BindAddress,
    /// The interface it is tied to by SO_BINDTODEVICE.
    pub device: Option<String>,
    /// Tells sockets on port 0 apart, which are bound to an address but share no identity by it.
    pub unnumbered: Option<ListenerId>,
}

/// Where a socket is bound.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BindAddress {
    /// TCP over IP; never a v4-mapped address; link-local IPv6 carries its scope.
    Tcp(SocketAddr),
    /// A path socket.
    Unix(PathBuf),
}

/// The full specification of a listener's socket, or of a group of them that share an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Its identity.
    pub key: BindKey,
    /// The listener it serves.
    pub listener: ListenerId,
    /// How many sockets share the address; more than one uses SO_REUSEPORT.
    pub sockets: NonZeroU16,
    /// Length of the accept queue asked for; the kernel clamps it to `net.core.somaxconn`.
    pub backlog: u32,
    /// Number of the device at this time: one that was deleted and made anew keeps its name, and a
    /// socket tied to the old one is dead.
    pub link: Option<u32>,
    /// Mode and owner of a path socket; `Some` exactly when the address is a path.
    pub unix: Option<UnixSocket>,
    /// The name under which it is passed in. Such a socket cannot be opened, only taken over.
    pub inherited: Option<String>,
}

/// A bind that is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unbound {
    /// Whose it is.
    pub listener: ListenerId,
    /// What the host lacks, in words.
    pub reason: String,
}

impl BindKey {
    /// The address and port, unless it is a path.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match &self.address {
            BindAddress::Tcp(address) => Some(*address),
            BindAddress::Unix(_) => None,
        }
    }

    /// The path, if it is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.address {
            BindAddress::Tcp(_) => None,
            BindAddress::Unix(path) => Some(path),
        }
    }

    /// Whether one connection could belong to both: the ports are equal, the addresses are equal or
    /// one of them is the wildcard of the other's family, and the devices are not two different
    /// ones. IPv4 and IPv6 never meet, because IPV6_V6ONLY is always on.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (&self.address, &other.address) {
            (BindAddress::Unix(ours), BindAddress::Unix(theirs)) => ours == theirs,
            (BindAddress::Tcp(ours), BindAddress::Tcp(theirs)) => {
                ours.port() == theirs.port()
                    && ours.port() != 0
                    && ours.is_ipv4() == theirs.is_ipv4()
                    && (ours == theirs
                        || ours.ip().is_unspecified()
                        || theirs.ip().is_unspecified())
                    && (self.device == other.device
                        || self.device.is_none()
                        || other.device.is_none())
            }
            _ => false,
        }
    }

    /// Which of two overlapping sockets the kernel prefers: a specific address beats a wildcard,
    /// and then a device beats none.
    #[must_use]
    pub fn precedence(&self) -> (bool, bool) {
        let specific = self.socket_addr().is_none_or(|address| !address.ip().is_unspecified());
        (specific, self.device.is_some())
    }
}

impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for BindKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)?;
        self.device.as_ref().map_or(Ok(()), |device| write!(f, " on {device}"))
    }
}
