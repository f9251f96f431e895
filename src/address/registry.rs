//! The IANA special-purpose address registries, vendored: one record per block, longest prefix
//! wins.
//!
//! The IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190), the latest record
//! being that of RFC 9780 (April 2025), with the blocks that have registries of their own
//! (multicast) or were withdrawn (site-local, v4-compatible). The class is ours; it decides by what
//! the block is for, not by its cells alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::Class;

/// Name of the record whose addresses carry an IPv4 address that decides.
pub(super) const NAT64: &str = "NAT64 well-known prefix";

/// One block of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// First address of the block.
    pub network: IpAddr,
    /// Length of its prefix.
    pub prefix: u8,
    /// Its name in the registry, shortened.
    pub name: &'static str,
    /// Where it is defined.
    pub rfc: u16,
    /// Who can be at the other end.
    pub class: Class,
}

impl Record {
    /// Its addresses.
    pub(super) fn block(&self) -> IpNet {
        IpNet::new_assert(self.network, self.prefix)
    }

    fn covers(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = u32::from(network) ^ u32::from(address);
                differing.leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = u128::from(network) ^ u128::from(address);
                differing.leading_zeros() >= u32::from(self.prefix)
            }
            _ => false,
        }
    }
}

/// The most specific record that covers the address. Mapped addresses are not unfolded here.
#[must_use]
pub fn record(address: IpAddr) -> Option<&'static Record> {
    let table: &[Record] = if address.is_ipv4() { V4 } else { V6 };
    table.iter().filter(|record| record.covers(address)).max_by_key(|record| record.prefix)
}

/// Every record, each after those that contain it.
pub(super) fn from_wide_to_narrow() -> Vec<&'static Record> {
    let mut records: Vec<_> = V4.iter().chain(V6).collect();
    records.sort_by_key(|record| record.prefix);
    records
}

const fn v4(octets: [u8; 4], prefix: u8, name: &'static str, rfc: u16, class: Class) -> Record {
    let [a, b, c, d] = octets;
    Record { network: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix, name, rfc, class }
}

const fn v6(
    head: [u16; 4],
    tail: u16,
    prefix: u8,
    name: &'static str,
    rfc: u16,
    class: Class,
) -> Record {
    let [a, b, c, d] = head;
    Record {
        network: IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, tail)),
        prefix,
        name,
        rfc,
        class,
    }
}

static V4: &[Record] = &[
    v4([0, 0, 0, 0], 8, "this network", 791, Class::Special),
    v4([0, 0, 0, 0], 32, "unspecified", 1122, Class::Any),
    v4([10, 0, 0, 0], 8, "private use", 1918, Class::Private),
    v4([100, 64, 0, 0], 10, "shared address space", 6598, Class::Shared),
    v4([127, 0, 0, 0], 8, "loopback", 1122, Class::Host),
    v4([169, 254, 0, 0], 16, "link local", 3927, Class::Link),
    v4([172, 16, 0, 0], 12, "private use", 1918, Class::Private),
    v4([192, 0, 0, 0], 24, "IETF protocol assignments", 6890, Class::Special),
    v4([192, 0, 0, 0], 29, "IPv4 service continuity", 7335, Class::Special),
    v4([192, 0, 0, 8], 32, "dummy address", 7600, Class::Special),
    v4([192, 0, 0, 9], 32, "port control protocol anycast", 7723, Class::Public),
    v4([192, 0, 0, 10], 32, "TURN anycast", 8155, Class::Public),
    v4([192, 0, 0, 170], 31, "NAT64 discovery", 8880, Class::Special),
    v4([192, 0, 2, 0], 24, "documentation (TEST-NET-1)", 5737, Class::Special),
    v4([192, 31, 196, 0], 24, "AS112-v4", 7535, Class::Public),
    v4([192, 52, 193, 0], 24, "AMT", 7450, Class::Public),
    v4([192, 88, 99, 0], 24, "6to4 relay anycast, withdrawn", 7526, Class::Special),
    v4([192, 88, 99, 2], 32, "6a44 relay anycast", 6751, Class::Special),
    v4([192, 168, 0, 0], 16, "private use", 1918, Class::Private),
    v4([192, 175, 48, 0], 24, "direct delegation AS112", 7534, Class::Public),
    v4([198, 18, 0, 0], 15, "benchmarking", 2544, Class::Special),
    v4([198, 51, 100, 0], 24, "documentation (TEST-NET-2)", 5737, Class::Special),
    v4([203, 0, 113, 0], 24, "documentation (TEST-NET-3)", 5737, Class::Special),
    v4([224, 0, 0, 0], 4, "multicast", 5771, Class::Multicast),
    v4([240, 0, 0, 0], 4, "reserved", 1112, Class::Special),
    v4([255, 255, 255, 255], 32, "limited broadcast", 919, Class::Broadcast),
];

static V6: &[Record] = &[
    v6([0, 0, 0, 0], 0, 96, "v4-compatible, withdrawn", 4291, Class::Special),
    v6([0, 0, 0, 0], 0, 128, "unspecified", 4291, Class::Any),
    v6([0, 0, 0, 0], 1, 128, "loopback", 4291, Class::Host),
    v6([0x64, 0xff9b, 0, 0], 0, 96, NAT64, 6052, Class::Public),
    v6([0x64, 0xff9b, 1, 0], 0, 48, "NAT64 local use", 8215, Class::Special),
    v6([0x100, 0, 0, 0], 0, 64, "discard only", 6666, Class::Special),
    v6([0x100, 0, 0, 1], 0, 64, "dummy prefix", 9780, Class::Special),
    v6([0x2001, 0, 0, 0], 0, 23, "IETF protocol assignments", 2928, Class::Special),
    v6([0x2001, 0, 0, 0], 0, 32, "Teredo", 4380, Class::Public),
    v6([0x2001, 1, 0, 0], 1, 128, "port control protocol anycast", 7723, Class::Public),
    v6([0x2001, 1, 0, 0], 2, 128, "TURN anycast", 8155, Class::Public),
    v6([0x2001, 1, 0, 0], 3, 128, "DNS-SD SRP anycast", 9665, Class::Public),
    v6([0x2001, 2, 0, 0], 0, 48, "benchmarking", 5180, Class::Special),
    v6([0x2001, 3, 0, 0], 0, 32, "AMT", 7450, Class::Public),
    v6([0x2001, 4, 0x112, 0], 0, 48, "AS112-v6", 7535, Class::Public),
    v6([0x2001, 0x10, 0, 0], 0, 28, "ORCHID, withdrawn", 4843, Class::Special),
    v6([0x2001, 0x20, 0, 0], 0, 28, "ORCHIDv2 identifiers", 7343, Class::Special),
    v6([0x2001, 0x30, 0, 0], 0, 28, "drone remote identifiers", 9374, Class::Special),
    v6([0x2001, 0xdb8, 0, 0], 0, 32, "documentation", 3849, Class::Special),
    v6([0x2002, 0, 0, 0], 0, 16, "6to4", 3056, Class::Public),
    v6([0x2620, 0x4f, 0x8000, 0], 0, 48, "direct delegation AS112", 7534, Class::Public),
    v6([0x3fff, 0, 0, 0], 0, 20, "documentation", 9637, Class::Special),
    v6([0x5f00, 0, 0, 0], 0, 16, "SRv6 segment identifiers", 9602, Class::Special),
    v6([0xfc00, 0, 0, 0], 0, 7, "unique local", 4193, Class::Private),
    v6([0xfe80, 0, 0, 0], 0, 10, "link-local unicast", 4291, Class::Link),
    v6([0xfec0, 0, 0, 0], 0, 10, "site-local, withdrawn", 3879, Class::Special),
    v6([0xff00, 0, 0, 0], 0, 8, "multicast", 4291, Class::Multicast),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_start_at_their_own_network() {
        for record in V4.iter().chain(V6) {
            let bits = match record.network {
                IpAddr::V4(v4) => u128::from(u32::from(v4)) << 96,
                IpAddr::V6(v6) => v6.into(),
            };
            let rest = u128::MAX.checked_shr(record.prefix.into()).unwrap_or(0);
            assert_eq!(bits & rest, 0, "{record:?} has bits beyond its prefix");
        }
    }

    #[test]
    fn no_block_stands_twice() {
        for (at, record) in V4.iter().chain(V6).enumerate() {
            let twin =
                |other: &&Record| (other.network, other.prefix) == (record.network, record.prefix);
            assert_eq!(V4.iter().chain(V6).position(|other| twin(&other)), Some(at), "{record:?}");
        }
    }
}
