//! Addresses and interfaces of this network namespace (`man 7 rtnetlink`).

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{Consistency, dump, message::Attributes};
use crate::sys::bytes::take;

/// A table that changes under every one of so many dumps is shown as the last one found it.
const MAX_ATTEMPTS: usize = 4;

/// More entries than any host has; a table beyond it is cut.
const MAX_ENTRIES: usize = 65_536;

/// One address of one interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address of this end.
    pub address: IpAddr,
    /// Length of its network prefix in bits.
    pub prefix: u8,
    /// Index of the interface that carries it.
    pub interface: u32,
    /// Duplicate detection still runs (IFA_F_TENTATIVE without IFA_F_OPTIMISTIC): not bindable yet.
    pub tentative: bool,
    /// Duplicate detection found another host with it (IFA_F_DADFAILED): never bindable.
    pub duplicate: bool,
    /// An IPv6 privacy address (IFA_F_TEMPORARY). On IPv4 the same bit means a secondary address.
    pub temporary: bool,
}

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Administratively up (IFF_UP).
    pub up: bool,
}

/// Every address of every interface, in the kernel's order.
///
/// # Errors
/// When the kernel refuses the question or its answer makes no sense.
pub fn addresses() -> io::Result<Vec<Address>> {
    table(libc::RTM_GETADDR, libc::RTM_NEWADDR, &[0; 8], read_address)
}

/// Every interface, in the kernel's order.
///
/// # Errors
/// When the kernel refuses the question or its answer makes no sense.
pub fn links() -> io::Result<Vec<Link>> {
    table(libc::RTM_GETLINK, libc::RTM_NEWLINK, &[0; 16], read_link)
}

fn table<T>(
    ask: u16,
    answer: u16,
    body: &[u8],
    read: fn(&[u8]) -> Option<T>,
) -> io::Result<Vec<T>> {
    let mut attempt = 1;
    loop {
        let mut entries = Vec::new();
        let consistency = dump(libc::NETLINK_ROUTE, ask, body, |kind, payload| {
            if kind == answer && entries.len() < MAX_ENTRIES {
                entries.extend(read(payload));
            }
        })?;
        if consistency == Consistency::Whole || attempt == MAX_ATTEMPTS {
            return Ok(entries);
        }
        attempt += 1;
    }
}

/// `struct ifaddrmsg` and its attributes; `None` for what has no IP address.
fn read_address(mut payload: &[u8]) -> Option<Address> {
    let [family, prefix, short_flags, _scope] = take(&mut payload)?;
    let interface = u32::from_ne_bytes(take(&mut payload)?);
    let (mut local, mut peer, mut flags) = (None, None, u32::from(short_flags));
    for (kind, value) in Attributes::of(payload) {
        match kind {
            libc::IFA_LOCAL => local = ip(family, value),
            libc::IFA_ADDRESS => peer = ip(family, value),
            // The old field has eight bits only.
            libc::IFA_FLAGS => flags = u32::from_ne_bytes(value.try_into().ok()?),
            _ => {}
        }
    }
    // On a point-to-point link IFA_ADDRESS is the other end.
    let address = local.or(peer)?;
    let has = |flag: u32| flags & flag != 0;
    Some(Address {
        address,
        prefix,
        interface,
        tentative: has(libc::IFA_F_TENTATIVE) && !has(libc::IFA_F_OPTIMISTIC),
        duplicate: has(libc::IFA_F_DADFAILED),
        temporary: address.is_ipv6() && has(libc::IFA_F_TEMPORARY),
    })
}

/// `struct ifinfomsg` and its attributes.
fn read_link(mut payload: &[u8]) -> Option<Link> {
    let [_family, _pad, _type_low, _type_high] = take(&mut payload)?;
    let index = u32::from_ne_bytes(take(&mut payload)?);
    let flags = i32::from_ne_bytes(take(&mut payload)?);
    let _change: [u8; 4] = take(&mut payload)?;
    let (_, name) = Attributes::of(payload).find(|(kind, _)| *kind == libc::IFLA_IFNAME)?;
    let name = name.split(|byte| *byte == 0).next()?;
    Some(Link {
        index,
        name: String::from_utf8_lossy(name).into_owned(),
        up: flags & libc::IFF_UP != 0,
    })
}

fn ip(family: u8, value: &[u8]) -> Option<IpAddr> {
    match i32::from(family) {
        libc::AF_INET => Some(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?).into()),
        libc::AF_INET6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address_message(family: i32, flags: u32, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(family).unwrap(), 24, 0, 0];
        bytes.extend(3u32.to_ne_bytes());
        for (kind, value) in attributes.iter().copied().chain([(8, &flags.to_ne_bytes()[..])]) {
            bytes.extend(u16::try_from(value.len() + 4).unwrap().to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn the_first_flag_means_temporary_on_ipv6_and_secondary_on_ipv4() {
        let v4 = read_address(&address_message(libc::AF_INET, 1, &[(2, &[10, 0, 0, 5])])).unwrap();
        assert!(!v4.temporary);
        let v6 = read_address(&address_message(libc::AF_INET6, 1, &[(1, &[0xfd; 16])])).unwrap();
        assert!(v6.temporary);
    }

    #[test]
    fn an_optimistic_address_is_not_tentative() {
        let read = |flags| {
            read_address(&address_message(libc::AF_INET6, flags, &[(1, &[0xfd; 16])])).unwrap()
        };
        assert!(read(0x40).tentative);
        assert!(!read(0x44).tentative);
        assert!(read(0x48).duplicate);
    }

    #[test]
    fn the_near_end_of_a_point_to_point_link_is_the_address() {
        let bytes = address_message(libc::AF_INET, 0, &[(1, &[10, 0, 0, 9]), (2, &[10, 0, 0, 5])]);
        assert_eq!(read_address(&bytes).unwrap().address, IpAddr::from([10, 0, 0, 5]));
    }

    #[test]
    fn a_cut_or_foreign_message_is_no_address_and_no_panic() {
        let bytes = address_message(libc::AF_INET, 0, &[(2, &[10, 0, 0, 5])]);
        for end in 0..bytes.len() {
            // Either the address was read whole already, or there is none.
            let read = read_address(&bytes[..end]).map(|read| read.address);
            assert!(read.is_none_or(|address| address == IpAddr::from([10, 0, 0, 5])), "{end}");
            assert!(read_link(&bytes[..end]).is_none());
        }
        for value in [&[10, 0, 0][..], &[0; 5], &[]] {
            assert!(read_address(&address_message(libc::AF_INET, 0, &[(2, value)])).is_none());
        }
    }

    #[test]
    fn every_namespace_has_a_loopback_link() {
        assert!(links().unwrap().iter().any(|link| link.name == "lo" && link.index == 1));
    }

    #[test]
    fn an_address_sits_on_a_link_that_exists() {
        let links = links().unwrap();
        for address in addresses().unwrap() {
            assert!(links.iter().any(|link| link.index == address.interface), "{address:?}");
        }
    }
}
