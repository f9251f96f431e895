//! A host's addresses, links and limits as data, so that decisions about them are functions.

pub mod file;
pub mod live;

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The first port that needs no privilege, where the host has not been told otherwise.
pub const DEFAULT_UNPRIVILEGED_PORT_START: u16 = 1024;

/// The ports that Linux gives outgoing connections, where the host has not been told otherwise.
pub const DEFAULT_EPHEMERAL_PORTS: (u16, u16) = (32_768, 60_999);

/// What `net.core.somaxconn` is unless it was set, since Linux 5.4.
pub const DEFAULT_MAX_BACKLOG: u32 = 4096;

/// What a decision may know of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Every address of every interface, in the kernel's order.
    pub addresses: Vec<HostAddress>,
    /// Every interface.
    pub links: Vec<Link>,
    /// The first port that needs no privilege (`net.ipv4.ip_unprivileged_port_start`).
    pub unprivileged_port_start: u16,
    /// Whether this process may bind below it (CAP_NET_BIND_SERVICE).
    pub may_bind_privileged: bool,
    /// The ports that outgoing connections take, both ends included
    /// (`net.ipv4.ip_local_port_range`).
    pub ephemeral_ports: (u16, u16),
    /// Ports that outgoing connections leave alone (`net.ipv4.ip_local_reserved_ports`).
    pub reserved_ports: Vec<(u16, u16)>,
    /// The longest accept queue that the kernel grants (`net.core.somaxconn`).
    pub max_backlog: u32,
    /// Whether the host has IPv6 at all.
    pub ipv6: bool,
    /// The most descriptors that this process can raise its limit to (RLIMIT_NOFILE), if known.
    pub descriptors: Option<u64>,
    /// Processors that this process may use.
    pub cores: usize,
    /// Whether this process serves, or is about to, and is root: no file says that.
    #[serde(skip)]
    pub serves_as_root: bool,
    /// The sockets that this process was given, where it is the service: no file says that.
    #[serde(skip)]
    pub passed: Option<Vec<PassedSocket>>,
}

/// A socket that the service manager has passed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedSocket {
    /// Its name.
    pub name: String,
    /// What the kernel says that it is.
    pub found: Result<PassedAddress, String>,
}

/// Where such a socket listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedAddress {
    /// Address and port.
    pub address: SocketAddr,
    /// The interface that it is tied to.
    pub device: Option<String>,
}

/// One address of one interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostAddress {
    /// The address.
    pub address: IpAddr,
    /// Length of its network prefix.
    pub prefix: u8,
    /// Name of the interface that carries it.
    pub interface: String,
    /// Not bindable: duplicate detection still runs, or found a duplicate.
    pub tentative: bool,
    /// An IPv6 privacy address, which will go away.
    pub temporary: bool,
}

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The kernel's number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Administratively up.
    pub up: bool,
}

impl HostAddress {
    /// One that is there to stay and may be bound.
    #[must_use]
    pub fn stable(interface: &str, address: IpAddr, prefix: u8) -> Self {
        let interface = interface.to_owned();
        Self { address, prefix, interface, tentative: false, temporary: false }
    }
}

impl Link {
    /// One that is up.
    #[must_use]
    pub fn up(index: u32, name: &str) -> Self {
        Self { index, name: name.to_owned(), up: true }
    }
}

impl Facts {
    /// The interface that carries the address, if any does.
    #[must_use]
    pub fn owner(&self, address: IpAddr) -> Option<&HostAddress> {
        self.addresses.iter().find(|have| have.address == address)
    }

    /// The interface of this name, if the host has it.
    #[must_use]
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }
}
