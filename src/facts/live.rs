//! The facts of the host that this process runs on.

use std::{io, thread};

use super::{
    DEFAULT_EPHEMERAL_PORTS, DEFAULT_MAX_BACKLOG, DEFAULT_UNPRIVILEGED_PORT_START, Facts,
    HostAddress, Link,
};
use crate::sys::{netlink, process, sysctl};

/// Reads the facts of this host, or rather of the network namespace that this process is in.
///
/// # Errors
/// When the kernel does not tell addresses or interfaces. Settings that cannot be read have the
/// kernel's defaults.
pub fn read() -> io::Result<Facts> {
    let links = netlink::links()?;
    let addresses: Vec<_> =
        netlink::addresses()?.into_iter().filter_map(|it| host_address(it, &links)).collect();
    Ok(Facts {
        // A host without any IPv6 address, not even `::1`, has it disabled or not at all.
        ipv6: addresses.iter().any(|it| it.address.is_ipv6()),
        addresses,
        links: links
            .into_iter()
            .map(|it| Link { index: it.index, name: it.name, up: it.up })
            .collect(),
        unprivileged_port_start: setting("net.ipv4.ip_unprivileged_port_start", |value| {
            value.parse().ok()
        })
        .unwrap_or(DEFAULT_UNPRIVILEGED_PORT_START),
        may_bind_privileged: process::may_bind_privileged().unwrap_or(false),
        ephemeral_ports: setting("net.ipv4.ip_local_port_range", pair)
            .unwrap_or(DEFAULT_EPHEMERAL_PORTS),
        reserved_ports: setting("net.ipv4.ip_local_reserved_ports", ranges).unwrap_or_default(),
        max_backlog: setting("net.core.somaxconn", |value| value.parse().ok())
            .unwrap_or(DEFAULT_MAX_BACKLOG),
        descriptors: process::descriptor_ceiling().ok(),
        cores: thread::available_parallelism().map_or(1, Into::into),
        serves_as_root: false,
        passed: None,
    })
}

/// `None` when its interface vanished between the two questions.
fn host_address(found: netlink::Address, links: &[netlink::Link]) -> Option<HostAddress> {
    let link = links.iter().find(|link| link.index == found.interface)?;
    Some(HostAddress {
        address: found.address,
        prefix: found.prefix,
        interface: link.name.clone(),
        tentative: found.tentative || found.duplicate,
        temporary: found.temporary,
    })
}

fn setting<T>(name: &str, parse: fn(&str) -> Option<T>) -> Option<T> {
    parse(&sysctl::read(name).ok()?)
}

/// Two numbers with a tab between them.
fn pair(value: &str) -> Option<(u16, u16)> {
    let (first, last) = value.split_once(char::is_whitespace)?;
    Some((first.parse().ok()?, last.trim_start().parse().ok()?))
}

/// `8080,9000-9010`, or nothing.
fn ranges(value: &str) -> Option<Vec<(u16, u16)>> {
    let range = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    value.split(',').filter(|text| !text.is_empty()).map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_the_kernel_writes_them() {
        assert_eq!(pair("32768\t60999"), Some((32_768, 60_999)));
        assert_eq!(pair("32768"), None);
        assert_eq!(ranges(""), Some(vec![]));
        assert_eq!(ranges("8080,9000-9010"), Some(vec![(8080, 8080), (9000, 9010)]));
        assert_eq!(ranges("8080,x"), None);
    }

    #[test]
    fn this_host_has_a_loopback_interface_and_a_core() {
        let facts = read().unwrap();
        assert_eq!(facts.link("lo").map(|link| link.index), Some(1));
        assert!(facts.cores > 0);
        assert!(facts.ephemeral_ports.0 <= facts.ephemeral_ports.1);
        for address in &facts.addresses {
            assert!(facts.link(&address.interface).is_some(), "{address:?}");
        }
    }
}
