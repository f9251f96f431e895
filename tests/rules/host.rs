//! The host on which the pages are tried: one of everything that rules ask about.

use portcullis::facts::{Facts, HostAddress, Link};

/// Private addresses of both families on `eth0`, two in one block on `eth1`, a public one on
/// `wan0`.
pub(super) fn facts() -> Facts {
    let on = |interface: &str, address: &str, prefix| HostAddress {
        address: address.parse().unwrap(),
        prefix,
        interface: interface.to_owned(),
        tentative: false,
        temporary: false,
    };
    let links = ["lo", "eth0", "eth1", "wan0"];
    let link = |(index, name): (u32, &str)| Link { index, name: name.to_owned(), up: true };
    Facts {
        addresses: vec![
            on("lo", "127.0.0.1", 8),
            on("lo", "::1", 128),
            on("eth0", "10.20.3.4", 16),
            on("eth0", "fd12:3456:789a::4", 64),
            on("eth0", "fe80::1", 64),
            on("eth1", "172.16.5.4", 24),
            on("eth1", "172.16.5.5", 24),
            on("wan0", "198.51.99.10", 24),
        ],
        links: (1..).zip(links).map(link).collect(),
        unprivileged_port_start: 1024,
        max_backlog: 4096,
        may_bind_privileged: false,
        ephemeral_ports: (32_768, 60_999),
        reserved_ports: Vec::new(),
        ipv6: true,
        cores: 4,
    }
}
