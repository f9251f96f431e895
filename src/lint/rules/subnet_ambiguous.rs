//! PC0213 `subnet-ambiguous`. The page is `subnet_ambiguous.md`.

use std::net::IpAddr;

use super::multicast_or_broadcast_bind::broadcast;
use crate::{
    diagnostic::Level,
    facts::HostAddress,
    lint::{
        Check, Context, Group, Report, Rule,
        assertion::{self, Assertion},
    },
    plan::{Cause, Conflict},
    policy::{Family, ListenerId, Place, Side},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0213",
    name: "subnet-ambiguous",
    group: Group::Address,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("subnet_ambiguous.md"),
    check: Check::Lint(check),
};

/// The most addresses that a finding lists.
const MAX_LISTED: usize = 16;

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for Conflict { listener, family, cause } in cx.conflicts() {
        if is_misnamed(cx, listener, *family) {
            continue;
        }
        let (message, note, help) = match cause {
            Cause::NoAddress { wanted, have } => (
                format!("`{listener}` asks for {wanted}, which this host lacks"),
                list(have),
                "write what this host has, or `when_absent: wait` under `runtime`",
            ),
            Cause::SeveralAddresses { wanted, fit } => (
                format!("`{listener}` asks for {wanted}, and {} of this host fit", fit.len()),
                list(fit),
                "write the one that is meant as `address`, or a narrower block",
            ),
            Cause::NoInterface { name, have } => (
                format!("`{listener}` asks for interface `{name}`, which this host lacks"),
                format!("it has {}", have.join(", ")),
                "write the name of one of them, or `when_absent: wait` under `runtime`",
            ),
            // Each of these has a rule of its own.
            Cause::WrongClass { .. } | Cause::NoIpv6 | Cause::Overlap { .. } | Cause::TooMany => {
                continue;
            }
        };
        let span = cx.wrote(listener).place(family.unwrap_or(Family::V4));
        report.at(listener, span, message).note(note).help(help);
    }
    if cx.host.is_some() {
        return;
    }
    for (listener, side) in cx.sides() {
        let question = match &side.place {
            Place::Subnet { block, .. } => format!("which address it has inside {block}"),
            Place::OneOf { class, interface } => {
                format!("which {class} {} address {interface} has", side.family)
            }
            Place::Interface { interface, classes, .. } => {
                let words: Vec<_> = classes.iter().map(|class| class.word()).collect();
                format!("which {} {} addresses {interface} has", words.join(" or "), side.family)
            }
            Place::Loopback | Place::Address { .. } | Place::Any => continue,
        };
        report.only_the_host_knows(&listener.id, question);
    }
}

/// Whether something else is wrong with the address, which another rule says: the keyword is not
/// true of it, or nobody has it because it is everybody's. That the host lacks it does not matter
/// then.
fn is_misnamed(cx: &Context<'_>, listener: &ListenerId, family: Option<Family>) -> bool {
    let facts = cx.host.map(|host| host.facts);
    let is_everybodys = |address: IpAddr| {
        let mut have = facts.into_iter().flat_map(|facts| &facts.addresses);
        have.any(|have| broadcast(have).map(IpAddr::V4) == Some(address))
    };
    let is_wrong = |side: &Side| {
        assertion::judge(&side.place) != Assertion::Holds
            || matches!(side.place, Place::Address { address, .. } if is_everybodys(address))
    };
    cx.sides().any(|(of, side)| of.id == *listener && Some(side.family) == family && is_wrong(side))
}

fn list(addresses: &[HostAddress]) -> String {
    let shown = addresses.iter().take(MAX_LISTED);
    let shown: Vec<_> = shown
        .map(|have| {
            // Such an address is no choice, and whoever sees it here wonders why.
            let lack = match have {
                HostAddress { tentative: true, .. } => " (tentative)",
                HostAddress { temporary: true, .. } => " (temporary)",
                _ => "",
            };
            format!("{} on {}{lack}", have.address, have.interface)
        })
        .collect();
    let more = addresses.len().saturating_sub(MAX_LISTED);
    match (shown.as_slice(), more) {
        ([], _) => "it has none of that family".to_owned(),
        (shown, 0) => format!("it has {}", shown.join(", ")),
        (shown, more) => format!("it has {} and {more} more", shown.join(", ")),
    }
}
