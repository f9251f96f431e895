use std::{sync::Arc, time::Duration};

use super::*;
use crate::{
    facts::Link,
    policy::{Action, Admin, Limits, ListenerId, PortRange, Runtime, Timeouts},
};

fn host() -> Facts {
    let have = |address: &str, prefix, interface| {
        HostAddress::stable(interface, address.parse().unwrap(), prefix)
    };
    Facts {
        addresses: vec![
            have("127.0.0.1", 8, "lo"),
            have("::1", 128, "lo"),
            have("10.20.3.4", 16, "eth0"),
            have("fd12::4", 64, "eth0"),
            have("fe80::4", 64, "eth0"),
            HostAddress { temporary: true, ..have("fd12::aaaa", 64, "eth0") },
            have("192.168.1.4", 24, "eth1"),
            have("192.168.1.5", 24, "eth1"),
            have("8.8.4.4", 24, "wan0"),
            HostAddress { tentative: true, ..have("fd13::1", 64, "wan0") },
        ],
        links: vec![
            Link::up(1, "lo"),
            Link::up(2, "eth0"),
            Link::up(3, "eth1"),
            Link::up(4, "wan0"),
        ],
        ipv6: true,
        cores: 2,
        ..Facts::default()
    }
}

fn listener(name: &str, port: u16, sides: Vec<Side>) -> Listener {
    Listener {
        id: ListenerId::new(name),
        purpose: None,
        expose: Expose::Ip(sides),
        inherited: None,
        ports: vec![PortRange { first: port, last: port }],
        clients: None,
        limits: Limits::default(),
        timeouts: Timeouts { idle: None, half_closed: None, lifetime: None },
        fanout: Fanout::None,
        allow: None,
        action: Action::Status,
    }
}

fn side(family: Family, place: Place) -> Side {
    Side { family, place, pin: true }
}

fn subnet(block: &str) -> Side {
    let family = if block.contains(':') { Family::V6 } else { Family::V4 };
    side(family, Place::Subnet { class: Class::Private, block: block.parse().unwrap() })
}

fn policy(wait: bool, listeners: impl IntoIterator<Item = Listener>) -> Policy {
    Policy {
        service: None,
        owner: None,
        upstreams: BTreeMap::new(),
        listeners: listeners.into_iter().map(|one| (one.id.clone(), Arc::new(one))).collect(),
        runtime: Runtime {
            account: None,
            workers: None,
            drain: Duration::from_secs(30),
            wait_for_absent: wait,
            access_log: None,
            admin: Admin::Private,
        },
    }
}

/// The keys of a one-listener plan, or its conflicts, in words.
fn built(sides: Vec<Side>) -> Vec<String> {
    match build(&policy(false, [listener("a", 80, sides)]), &host()) {
        Ok(plan) => plan.binds.keys().map(ToString::to_string).collect(),
        Err(conflicts) => conflicts.iter().map(|conflict| conflict.cause.to_string()).collect(),
    }
}

#[test]
fn every_keyword_becomes_an_address_of_this_host() {
    let one_of = |class, interface: &str| Place::OneOf { class, interface: interface.to_owned() };
    let address = |class, address: &str, zone: Option<&str>| Place::Address {
        class,
        address: address.parse().unwrap(),
        zone: zone.map(str::to_owned),
    };
    let interface = |classes: &[Class], temporary| Place::Interface {
        interface: "eth0".to_owned(),
        classes: classes.to_vec(),
        temporary,
    };
    for (sides, expected) in [
        (
            vec![side(Family::V4, Place::Any), side(Family::V6, Place::Any)],
            vec!["0.0.0.0:80", "[::]:80"],
        ),
        (
            vec![side(Family::V4, Place::Loopback), side(Family::V6, Place::Loopback)],
            vec!["127.0.0.1:80 on lo", "[::1]:80 on lo"],
        ),
        (vec![subnet("10.20.0.0/16")], vec!["10.20.3.4:80 on eth0"]),
        (vec![subnet("fd12::/64")], vec!["[fd12::4]:80 on eth0"]),
        (vec![subnet("10.30.0.0/16")], vec!["this host lacks an address inside 10.30.0.0/16"]),
        (
            vec![subnet("192.168.0.0/16")],
            vec!["2 addresses of this host fit an address inside 192.168.0.0/16"],
        ),
        (vec![subnet("8.8.0.0/16")], vec!["8.8.4.4 is public, not private"]),
        (vec![side(Family::V4, one_of(Class::Private, "eth0"))], vec!["10.20.3.4:80 on eth0"]),
        (
            vec![side(Family::V4, one_of(Class::Private, "eth9"))],
            vec!["this host has no interface `eth9`"],
        ),
        (
            vec![side(Family::V6, one_of(Class::Public, "wan0"))],
            vec!["this host lacks one public IPv6 address on wan0"],
        ),
        (
            vec![side(Family::V6, address(Class::Link, "fe80::4", Some("eth0")))],
            vec!["[fe80::4%2]:80 on eth0"],
        ),
        (
            vec![side(Family::V4, address(Class::Private, "10.20.3.4", None))],
            vec!["10.20.3.4:80 on eth0"],
        ),
        (
            vec![side(Family::V4, address(Class::Private, "10.77.0.1", None))],
            vec!["this host lacks the private address 10.77.0.1"],
        ),
        (
            vec![Side {
                pin: false,
                ..side(Family::V4, address(Class::Private, "10.77.0.1", None))
            }],
            vec!["10.77.0.1:80"],
        ),
        (vec![side(Family::V6, interface(&[Class::Private], false))], vec!["[fd12::4]:80 on eth0"]),
        (
            vec![side(Family::V6, interface(&[Class::Link, Class::Private], true))],
            vec!["[fd12::4]:80 on eth0", "[fd12::aaaa]:80 on eth0", "[fe80::4%2]:80 on eth0"],
        ),
        (
            vec![side(Family::V4, interface(&[Class::Public], false))],
            vec!["this host lacks a public IPv4 address on eth0"],
        ),
    ] {
        assert_eq!(built(sides.clone()), expected, "{sides:?}");
    }
}

#[test]
fn what_may_come_is_parked_when_the_file_says_wait() {
    let plan =
        build(&policy(true, [listener("a", 80, vec![subnet("10.30.0.0/16")])]), &host()).unwrap();
    assert!(plan.binds.is_empty());
    assert_eq!(plan.parked[0].reason, "this host lacks an address inside 10.30.0.0/16");
    let two = policy(true, [listener("a", 80, vec![subnet("192.168.0.0/16")])]);
    assert!(build(&two, &host()).is_err(), "two addresses do not become one by waiting");
}

#[test]
fn a_host_without_ipv6_serves_loopback_over_ipv4_and_says_so() {
    let without = Facts { ipv6: false, ..host() };
    let both = vec![side(Family::V4, Place::Loopback), side(Family::V6, Place::Loopback)];
    let plan = build(&policy(false, [listener("a", 80, both)]), &without).unwrap();
    assert_eq!((plan.binds.len(), plan.omitted[0].reason.as_str()), (1, "this host has no IPv6"));
    let only = policy(false, [listener("a", 80, vec![side(Family::V6, Place::Loopback)])]);
    assert!(build(&only, &without).is_err());
    let any = vec![side(Family::V4, Place::Any), side(Family::V6, Place::Any)];
    assert!(build(&policy(false, [listener("a", 80, any)]), &without).is_err());
}

#[test]
fn overlaps_that_only_the_host_reveals_are_conflicts() {
    let address =
        Place::Address { class: Class::Private, address: "10.20.3.4".parse().unwrap(), zone: None };
    let twice = [
        listener("a", 80, vec![subnet("10.20.0.0/16")]),
        listener("b", 80, vec![side(Family::V4, address)]),
        listener("c", 80, vec![side(Family::V4, Place::Any)]),
    ];
    let conflicts = build(&policy(false, twice), &host()).unwrap_err();
    let words: Vec<_> = conflicts.iter().map(|conflict| conflict.cause.to_string()).collect();
    assert_eq!(
        words,
        [
            "10.20.3.4:80 on eth0 overlaps 10.20.3.4:80 on eth0 of `a`",
            "10.20.3.4:80 on eth0 overlaps 0.0.0.0:80 of `c`"
        ]
    );
}

#[test]
fn the_number_of_sockets_is_bounded() {
    let all = PortRange { first: 1, last: u16::MAX };
    let wide = |name| Listener {
        ports: vec![all],
        fanout: Fanout::PerCore,
        ..listener(name, 80, vec![side(Family::V4, Place::Any), side(Family::V6, Place::Any)])
    };
    let conflicts = build(&policy(false, [wide("a")]), &host()).unwrap_err();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].cause, Cause::TooMany);
}
