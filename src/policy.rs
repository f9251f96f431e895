//! What the file means. No positions, so that `==` compares meaning: moving a line changes nothing.

pub mod claim;
pub mod defaults;
pub mod governance;
pub mod id;
pub mod resolve;
mod runtime;

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::{NonZeroU16, NonZeroU32},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;

pub use id::{ListenerId, UpstreamId};
pub use runtime::{AccessLog, Account, Admin, Runtime};

use crate::address::{Class, Date, set::AddressSet};
pub use crate::config::Rate;

/// Having one tells you that every name resolves, every value is in range and every default is
/// filled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The service's name, if it has one.
    pub service: Option<String>,
    /// Who answers for the file, if it says so.
    pub owner: Option<String>,
    /// Named groups of backends, and the unnamed ones that listeners forward to directly.
    pub upstreams: BTreeMap<UpstreamId, Arc<Upstream>>,
    /// What listens.
    pub listeners: BTreeMap<ListenerId, Arc<Listener>>,
    /// The process.
    pub runtime: Runtime,
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Its name.
    pub id: ListenerId,
    /// Why it exists.
    pub purpose: Option<String>,
    /// Where it is reachable.
    pub expose: Expose,
    /// The name under which its sockets are passed in; without it this program makes them.
    pub inherited: Option<String>,
    /// Which ports; empty for a unix socket, never empty otherwise, sorted, disjoint.
    pub ports: Vec<PortRange>,
    /// Who is served: `None` is everyone.
    pub clients: Option<AddressSet>,
    /// Bounds on connections.
    pub limits: Limits,
    /// Bounds in time.
    pub timeouts: Timeouts,
    /// SO_REUSEPORT sockets per address.
    pub fanout: Fanout,
    /// Who signed for a wide exposure.
    pub allow: Option<Allow>,
    /// What happens to a connection.
    pub action: Action,
}

/// Both ends included; never reversed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
}

/// Where a listener is reachable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expose {
    /// Over IP: one or two sides, IPv4 first, each of its own family.
    Ip(Vec<Side>),
    /// Over a path socket.
    Unix(UnixSocket),
}

/// One address family of an exposure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The family.
    pub family: Family,
    /// Which addresses of it.
    pub place: Place,
    /// Whether the socket is tied to the interface that owns the address.
    pub pin: bool,
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl PortRange {
    /// Whether the port is in it.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The address by which a host reaches itself: `127.0.0.1` or `::1`.
    #[must_use]
    pub fn loopback(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::LOCALHOST.into(),
            Self::V6 => Ipv6Addr::LOCALHOST.into(),
        }
    }

    /// The address that stands for every one of the family: `0.0.0.0` or `::`.
    #[must_use]
    pub fn unspecified(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Self::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// Which addresses a side asks for. The keyword is an assertion about their class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `127.0.0.1` or `::1`.
    Loopback,
    /// The one local address of `class` inside the block.
    Subnet {
        /// The asserted class.
        class: Class,
        /// The block.
        block: IpNet,
    },
    /// This address, asserted to be of `class`.
    Address {
        /// The asserted class.
        class: Class,
        /// The address.
        address: IpAddr,
        /// The interface, for link-local IPv6.
        zone: Option<String>,
    },
    /// The one address of `class` on the interface.
    OneOf {
        /// The asserted class.
        class: Class,
        /// The interface.
        interface: String,
    },
    /// Every address of these classes on the interface.
    Interface {
        /// The interface.
        interface: String,
        /// The classes, sorted.
        classes: Vec<Class>,
        /// Whether temporary IPv6 addresses count.
        temporary: bool,
    },
    /// Every address of the family, now and later.
    Any,
}

/// A path socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSocket {
    /// Absolute path.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// Owning user, if it is to be changed.
    pub owner: Option<String>,
    /// Owning group, if it is to be changed.
    pub group: Option<String>,
}

/// Bounds on connections; `None` is unbounded but for descriptors.
///
/// What concerns all clients makes the next one wait, which costs it time; what concerns one client
/// turns that client away, so that the others behind it in the queue do not wait for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// At a time; further clients wait in the kernel's queue.
    pub connections: Option<NonZeroU32>,
    /// At a time and client; further ones are refused.
    pub per_client: Option<NonZeroU32>,
    /// New ones; faster clients wait in the kernel's queue.
    pub rate: Option<Rate>,
    /// New ones of a client; those that come faster are refused.
    pub per_client_rate: Option<Rate>,
}

/// Bounds in time; `None` is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Without a byte either way.
    pub idle: Option<Duration>,
    /// Without a byte, after one side has ended.
    pub half_closed: Option<Duration>,
    /// Of a session as a whole.
    pub lifetime: Option<Duration>,
}

/// SO_REUSEPORT sockets per address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fanout {
    /// One socket, whose clients are spread over all workers.
    None,
    /// As many as workers.
    PerCore,
    /// This many.
    Sockets(NonZeroU16),
}

/// Who signed for a wide exposure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where it was agreed.
    pub ticket: Option<String>,
    /// The last day on which it holds.
    pub expires: Expiry,
    /// The grant it relies on.
    pub grant: Option<String>,
}

/// Until when a signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expiry {
    /// For good.
    Never,
    /// Through this day, UTC.
    On(Date),
    /// What was written is no date; it counts as expired.
    Malformed,
}

impl Listener {
    /// Those of the clients whom its list lets in.
    #[must_use]
    pub fn admitted(&self, clients: &Arc<AddressSet>) -> Arc<AddressSet> {
        match &self.clients {
            Some(admitted) => Arc::new(clients.intersection(admitted)),
            None => Arc::clone(clients),
        }
    }

    /// Whether the language wants a signature under where it listens: it does for what is public,
    /// and for every address.
    #[must_use]
    pub fn needs_allow(&self) -> bool {
        let Expose::Ip(sides) = &self.expose else { return false };
        sides.iter().any(|side| match &side.place {
            Place::Any => true,
            Place::Loopback => false,
            Place::Subnet { class, .. }
            | Place::Address { class, .. }
            | Place::OneOf { class, .. } => *class == Class::Public,
            Place::Interface { classes, .. } => classes.contains(&Class::Public),
        })
    }
}

impl Expiry {
    /// Whether a signature still holds on this day.
    #[must_use]
    pub fn holds_on(&self, today: Date) -> bool {
        match self {
            Self::Never => true,
            Self::On(last) => today <= *last,
            Self::Malformed => false,
        }
    }
}

/// What happens to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It is joined to a backend of this group.
    Forward(UpstreamId),
    /// The status page answers.
    Status,
}

/// A group of backends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its name.
    pub id: UpstreamId,
    /// Its members, never empty.
    pub backends: Vec<Backend>,
    /// Time for one attempt to connect.
    pub connect_timeout: Duration,
    /// Further backends tried before the client is closed.
    pub retries: u32,
}

/// One backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Where it is.
    pub address: BackendAddress,
    /// Share relative to its neighbours.
    pub weight: NonZeroU16,
    /// Used only when no other backend can be.
    pub backup: bool,
    /// Connections at a time.
    pub max_connections: Option<NonZeroU32>,
}

/// Where a backend is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackendAddress {
    /// An address and a port.
    Ip(SocketAddr),
    /// An address; the port is the one that the client asked for.
    SamePort(IpAddr),
    /// A path socket.
    Unix(PathBuf),
}

impl BackendAddress {
    /// Whether it is `0.0.0.0` or `::`, the address of no host.
    #[must_use]
    pub fn is_unspecified(&self) -> bool {
        match self {
            Self::Ip(address) => address.ip().is_unspecified(),
            Self::SamePort(address) => address.is_unspecified(),
            Self::Unix(_) => false,
        }
    }
}

impl fmt::Display for BackendAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::SamePort(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
