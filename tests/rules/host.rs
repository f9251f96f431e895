//! The host on which the pages are tried: one of everything that rules ask about.

use portcullis::facts::{Facts, HostAddress, Link, PassedAddress, PassedSocket};

/// Private addresses of both families on `eth0`, two in one block on `eth1`, a public one on
/// `wan0`, a shared one on `overlay0`, and what nobody should number a network with on `odd0`.
pub(super) fn facts() -> Facts {
    let on = |interface, address: &str, prefix| {
        HostAddress::stable(interface, address.parse().unwrap(), prefix)
    };
    let links = ["lo", "eth0", "eth1", "wan0", "overlay0", "odd0"];
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
            on("overlay0", "100.100.7.7", 16),
            on("odd0", "fc00::4", 64),
        ],
        links: (1..).zip(links).map(|(index, name)| Link::up(index, name)).collect(),
        unprivileged_port_start: 1024,
        max_backlog: 4096,
        may_bind_privileged: false,
        ephemeral_ports: (32_768, 60_999),
        reserved_ports: Vec::new(),
        ipv6: true,
        descriptors: Some(1_048_576),
        cores: 4,
        serves_as_root: false,
        passed: None,
    }
}

/// The host on which this rule's pages are tried: the same, but for rules about what a host lacks.
pub(super) fn facts_for(code: &str) -> Facts {
    let mut facts = facts();
    if code == "PC0506" {
        let at = |address: &str, device: Option<&str>| PassedSocket {
            name: "https".to_owned(),
            found: Ok(PassedAddress {
                address: address.parse().unwrap(),
                device: device.map(str::to_owned),
            }),
        };
        facts.passed = Some(vec![at("10.20.3.4:443", None)]);
    }
    facts.serves_as_root = code == "PC0901";
    if code == "PC0405" {
        facts.addresses.retain(|have| have.address.is_ipv4());
        facts.ipv6 = false;
    }
    facts
}
