//! One concrete flow of a set, the one that is easiest on the eye: what a reader can try.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{connection::Origin, flows::Flows, local::Local, vantage::Vantage};
use crate::{address::set::AddressSet, policy::Family};

/// One flow. Its client and port are in the set that it was taken from, and so is its local end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// The client; a loopback address stands for a process of this host.
    pub client: IpAddr,
    /// What it connects to.
    pub local: Local,
    /// An address that `local` holds: an example where it holds many, none where only the host
    /// knows.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

impl Flows {
    /// A flow from as far away as there is one, at its lowest port; the same for equal sets.
    #[must_use]
    pub fn witness(&self) -> Option<Witness> {
        self.witness_outside(&Self::default())
    }

    /// The same, at an address that the other set does not name: for what is gained beside it.
    #[must_use]
    pub fn witness_outside(&self, other: &Self) -> Option<Witness> {
        FAR_TO_NEAR.iter().find_map(|vantage| {
            self.iter().find_map(|(local, ports)| {
                ports.iter().find_map(|(ports, clients)| {
                    let client = pretty(*vantage, clients)?;
                    let address = example(local, other);
                    Some(Witness { client, local: local.clone(), address, port: ports.first })
                })
            })
        })
    }
}

impl Witness {
    /// Where its client is.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match self.local {
            Local::Path(_) => Origin::Host,
            _ => Origin::of(self.client),
        }
    }
}

/// The order in which an example is looked for: an address that is nobody's makes a poor one.
const FAR_TO_NEAR: [Vantage; 7] = [
    Vantage::Public4,
    Vantage::Public6,
    Vantage::Shared,
    Vantage::Private,
    Vantage::Link,
    Vantage::Host,
    Vantage::Special,
];

/// Addresses that everybody recognises, where the set has them.
const FAMILIAR: [IpAddr; 12] = [
    IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)),
    IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888)),
    IpAddr::V4(Ipv4Addr::new(100, 64, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(172, 16, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 1, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// One client at the vantage: a familiar one, else the first host of the first block.
fn pretty(vantage: Vantage, clients: &AddressSet) -> Option<IpAddr> {
    let here = clients.intersection(vantage.addresses());
    let familiar = FAMILIAR.into_iter().find(|address| here.contains(*address));
    familiar.or_else(|| {
        let block = here.blocks().next()?;
        // The first address of an IPv6 block is every router's (RFC 4291, 2.6.1).
        let routers = usize::from(block.addr().is_ipv6() && block.prefix_len() < 127);
        Some(block.hosts().nth(routers).unwrap_or_else(|| block.addr()))
    })
}

/// An address that the local end holds. Of all addresses it is one for documentation that the other
/// set does not name, so that nobody takes it for the host's own.
fn example(local: &Local, other: &Flows) -> Option<IpAddr> {
    match local {
        Local::Path(_) | Local::InBlock { .. } | Local::On { .. } => None,
        Local::One { address, .. } => Some(*address),
        Local::Every(family) => {
            let numbered = |last: u8| match family {
                Family::V4 => IpAddr::from([192, 0, 2, last]),
                Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()).into(),
            };
            let free =
                |address: &IpAddr| !other.comes_to(&Local::One { address: *address, zone: None });
            (1..=u8::MAX).map(numbered).find(free)
        }
    }
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        let client = match self.origin() {
            Origin::Host => format!("{} (this host)", self.client),
            Origin::Elsewhere => self.client.to_string(),
        };
        match (&self.local, self.address) {
            (Local::Path(_), _) => write!(f, "a process of this host → {}", self.local),
            (Local::Every(_), Some(IpAddr::V6(v6))) => {
                write!(f, "{client} → [{v6}]:{port}, standing for {}", self.local)
            }
            (Local::Every(_), Some(v4)) => {
                write!(f, "{client} → {v4}:{port}, standing for {}", self.local)
            }
            (_, Some(IpAddr::V6(_))) => write!(f, "{client} → [{}]:{port}", self.local),
            (_, Some(IpAddr::V4(_))) => write!(f, "{client} → {}:{port}", self.local),
            (_, None) => write!(f, "{client} → {}, port {port}", self.local),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{exposure::by_port::ByPort, policy::PortRange};

    fn of(clients: &[&str]) -> String {
        let clients = AddressSet::of_blocks(clients.iter().map(|block| block.parse().unwrap()));
        let local = Local::One { address: [203, 0, 113, 10].into(), zone: None };
        let ports = PortRange { first: 443, last: 444 };
        let flows = Flows::of(local, ByPort::of(vec![(ports, Arc::new(clients))]));
        flows.witness().map_or_else(String::new, |witness| witness.to_string())
    }

    #[test]
    fn the_farthest_client_is_shown_by_a_familiar_address() {
        assert_eq!(of(&["0.0.0.0/0"]), "8.8.8.8 → 203.0.113.10:443");
        assert_eq!(of(&["10.0.0.0/8", "192.168.0.0/16"]), "10.0.0.1 → 203.0.113.10:443");
        assert_eq!(of(&["10.20.0.0/16"]), "10.20.0.1 → 203.0.113.10:443");
        assert_eq!(of(&["5.6.7.8/32"]), "5.6.7.8 → 203.0.113.10:443");
        assert_eq!(of(&["fd12:3456::/32"]), "fd12:3456::1 → 203.0.113.10:443");
        assert_eq!(of(&[]), "");
    }
}
