//! PC0209 `multicast-or-broadcast-bind`. The page is `multicast_or_broadcast_bind.md`.

use std::net::{IpAddr, Ipv4Addr};

use crate::{
    diagnostic::Level,
    facts::HostAddress,
    lint::{
        Check, Context, Group, Report, Rule,
        assertion::{self, Assertion},
    },
    policy::Place,
};

pub(super) static RULE: Rule = Rule {
    code: "PC0209",
    name: "multicast-or-broadcast-bind",
    group: Group::Address,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("multicast_or_broadcast_bind.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for (listener, side) in cx.sides() {
        let what = match (assertion::judge(&side.place), &side.place) {
            (Assertion::Group(class), _) => format!("a {class} address"),
            (_, Place::Address { address: IpAddr::V4(address), .. }) => {
                let facts = cx.host.map(|host| host.facts);
                let mut have = facts.into_iter().flat_map(|facts| &facts.addresses);
                let Some(have) = have.find(|have| broadcast(have) == Some(*address)) else {
                    continue;
                };
                format!("the broadcast address of {}/{}", have.address, have.prefix)
            }
            _ => continue,
        };
        let message = format!("`{}` listens on {what}", listener.id);
        report
            .at(&listener.id, cx.wrote(&listener.id).place(side.family), message)
            .note("the kernel lets a TCP socket listen there, and no client can ever connect to it")
            .help("write an address of this host");
    }
}

/// The address that reaches every host of an IPv4 network; a network of one or two has none (RFC
/// 3021).
pub(super) fn broadcast(have: &HostAddress) -> Option<Ipv4Addr> {
    let IpAddr::V4(address) = have.address else { return None };
    let block = ipnet::Ipv4Net::new(address, have.prefix).ok()?;
    (have.prefix <= 30).then(|| block.broadcast())
}
