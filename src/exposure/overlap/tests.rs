//! The index against a slow and obvious model, and its speed at ten thousand listeners.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::{
    exposure::taker::Takers,
    policy::{
        Action, Admin, Expose, Fanout, Limits, Listener, ListenerId, Policy, Runtime, Side,
        Timeouts,
    },
};

/// As many listeners as a large file has.
const MANY: u16 = 10_000;

fn policy(listeners: impl IntoIterator<Item = (Vec<Side>, Vec<PortRange>)>) -> Policy {
    let listener = |(at, (sides, ports)): (usize, (Vec<Side>, Vec<PortRange>))| {
        let id = ListenerId::new(&format!("l{at:05}"));
        let listener = Listener {
            id: id.clone(),
            purpose: None,
            expose: Expose::Ip(sides),
            inherited: None,
            ports,
            clients: None,
            limits: Limits::default(),
            timeouts: Timeouts { idle: None, half_closed: None, lifetime: None },
            fanout: Fanout::None,
            allow: None,
            action: Action::Status,
        };
        (id, Arc::new(listener))
    };
    Policy {
        service: None,
        owner: None,
        upstreams: BTreeMap::new(),
        listeners: listeners.into_iter().enumerate().map(listener).collect(),
        runtime: Runtime {
            account: None,
            workers: None,
            drain: std::time::Duration::ZERO,
            wait_for_absent: false,
            access_log: None,
            admin: Admin::Private,
        },
    }
}

fn address(class: Class, text: &str) -> Side {
    let address: IpAddr = text.parse().unwrap();
    let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
    Side { family, place: Place::Address { class, address, zone: None }, pin: true }
}

fn subnet(block: &str) -> Side {
    let block = block.parse().unwrap();
    Side { family: Family::V4, place: Place::Subnet { class: Class::Private, block }, pin: true }
}

/// Every kind of place in a tiny world, so that random ones often meet.
fn side() -> impl Strategy<Value = Side> {
    let interface = |name: &str, classes: &[Class]| Side {
        family: Family::V4,
        place: Place::Interface {
            interface: name.to_owned(),
            classes: classes.to_vec(),
            temporary: false,
        },
        pin: true,
    };
    let one_of = Side {
        family: Family::V4,
        place: Place::OneOf { class: Class::Private, interface: "eth0".to_owned() },
        pin: true,
    };
    let any = |family| Side { family, place: Place::Any, pin: false };
    let places = vec![
        any(Family::V4),
        any(Family::V6),
        Side { family: Family::V4, place: Place::Loopback, pin: true },
        Side { family: Family::V6, place: Place::Loopback, pin: true },
        address(Class::Private, "10.0.0.1"),
        address(Class::Private, "10.0.0.2"),
        address(Class::Private, "10.1.0.1"),
        address(Class::Public, "8.8.8.8"),
        address(Class::Private, "fd00::1"),
        subnet("10.0.0.0/8"),
        subnet("10.0.0.0/24"),
        subnet("10.1.0.0/24"),
        subnet("192.168.0.0/16"),
        interface("eth0", &[Class::Private]),
        interface("eth0", &[Class::Private, Class::Public]),
        interface("eth1", &[Class::Private]),
        interface("eth1", &[Class::Public]),
        one_of,
    ];
    (prop::sample::select(places), prop::bool::weighted(0.7))
        .prop_map(|(side, keep)| Side { pin: side.pin && keep, ..side })
}

/// One or two disjoint ranges of a few ports.
fn ports() -> impl Strategy<Value = Vec<PortRange>> {
    prop::collection::btree_set(1u16..12, 2..=4).prop_map(|ends| {
        let ends: Vec<_> = ends.into_iter().collect();
        ends.chunks(2)
            .map(|pair| PortRange { first: pair[0], last: pair[pair.len() - 1] })
            .collect()
    })
}

proptest! {
    #[test]
    fn finds_for_every_range_what_a_look_at_all_pairs_finds(
        listeners in prop::collection::vec((side(), ports()), 0..8)
    ) {
        let policy = policy(listeners.into_iter().map(|(side, ports)| (vec![side], ports)));
        let exposure = Exposure::of(&policy);
        let found = exposure.overlaps();
        let ranges = || {
            let accepts = exposure.accepts().iter().enumerate();
            accepts.flat_map(|(at, accept)| accept.ports().iter().map(move |ports| (ports.first, at, ports.last, accept)))
        };
        for (first, at, _, accept) in ranges() {
            let earlier = ranges().filter(|(other_first, other, other_last, _)| {
                (other_first, other) < (&first, &at) && *other_last >= first && *other != at
            });
            let best = earlier.map(|(.., other)| other.meets(accept)).max().unwrap_or(Answer::No);
            let mut told = found.iter().filter(|overlap| {
                overlap.second.listener.id == accept.listener.id && overlap.port == first
            });
            let expected = match best {
                Answer::No => None,
                answer => Some(answer == Answer::Yes),
            };
            prop_assert_eq!(told.next().map(|overlap| overlap.certain), expected);
        }
    }

    #[test]
    fn the_taker_of_a_connection_is_who_a_look_at_all_finds(
        listeners in prop::collection::vec((side(), ports()), 0..6),
        wanted in prop::sample::select(vec!["10.0.0.1", "10.1.0.9", "127.0.0.1", "127.0.0.5", "fd00::1", "8.8.8.8"]),
        port in 1u16..12,
    ) {
        let policy = policy(listeners.into_iter().map(|(side, ports)| (vec![side], ports)));
        let exposure = Exposure::of(&policy);
        let wanted: IpAddr = wanted.parse().unwrap();
        let here = PortRange { first: port, last: port };
        let bound = |accept: &Accept| accept.destination == Destination::One(wanted);
        let is_local = wanted.is_loopback() || exposure.accepts().iter().any(bound);
        let answers = exposure.accepts().iter().filter(|accept| {
            accept.ports().iter().any(|range| range.contains(port))
        }).map(|accept| match &accept.destination {
            Destination::One(address) if *address == wanted => Answer::Yes,
            Destination::Open if accept.family() == Family::of(wanted) => {
                if is_local { Answer::Yes } else { Answer::Perhaps }
            }
            Destination::Within(set) if set.contains(wanted) => Answer::Perhaps,
            _ => Answer::No,
        });
        let best = answers.max().unwrap_or(Answer::No);
        // Ranges of one destination do not overlap in a policy that is otherwise sound.
        prop_assume!(exposure.overlaps().is_empty());
        let found = Takers::new(&exposure, None).taker(wanted, here);
        prop_assert_eq!(found.map_or(Answer::No, |(_, answer)| answer), best);
    }
}

/// Each of these is quadratic if looked at pair by pair: a hundred million pairs.
#[test]
fn ten_thousand_listeners_are_compared_with_few() {
    let all = |side: &dyn Fn(u16) -> Side, port: &dyn Fn(u16) -> u16| {
        let one = |n| (vec![side(n)], vec![PortRange { first: port(n), last: port(n) }]);
        policy((1..=MANY).map(one))
    };
    let loopback = |_| Side { family: Family::V4, place: Place::Loopback, pin: true };
    let any = |_| Side { family: Family::V4, place: Place::Any, pin: false };
    let own = |n: u16| address(Class::Private, &format!("10.0.{}.{}", n >> 8, n & 255));
    let block = |n: u16| subnet(&format!("10.{}.{}.0/24", n >> 8, n & 255));
    let on = |pin| {
        move |n| Side {
            family: Family::V4,
            place: Place::OneOf { class: Class::Private, interface: format!("eth{n}") },
            pin,
        }
    };
    // Who is tied to no interface may have the address of any.
    let (tied, loose, mixed) = (on(true), on(false), |n: u16| match n % 3 {
        0 => on(true)(n),
        1 => own(n),
        _ => block(n),
    });
    let most = usize::from(MANY) - 1;
    let sides: [(&dyn Fn(u16) -> Side, usize); 7] = [
        (&loopback, most),
        (&any, most),
        (&own, 0),
        (&block, 0),
        (&tied, 0),
        (&loose, most),
        // The first two are an address and a block without it.
        (&mixed, most - 1),
    ];
    for (side, met) in sides {
        let ports: [(&dyn Fn(u16) -> u16, usize); 2] = [(&|n| n, 0), (&|_| 443, met)];
        for (port, met) in ports {
            let policy = all(side, port);
            let exposure = Exposure::of(&policy);
            assert_eq!(exposure.overlaps().len(), met);
        }
    }
}
