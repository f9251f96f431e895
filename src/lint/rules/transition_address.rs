//! PC0211 `transition-address`. The page is `transition_address.md`.

use std::net::IpAddr;

use crate::{
    address::classify,
    diagnostic::Level,
    lint::{
        Check, Context, Finding, Group, Report, Rule,
        assertion::{self, Assertion},
        behind, transition,
    },
    policy::Place,
};

pub(super) static RULE: Rule = Rule {
    code: "PC0211",
    name: "transition-address",
    group: Group::Address,
    level: Level::Warn,
    since: "0.1.0",
    page: include_str!("transition_address.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for (listener, side) in cx.sides() {
        let Place::Address { address, .. } = &side.place else { continue };
        // Where the keyword is not true of it, that is what there is to say.
        if assertion::judge(&side.place) != Assertion::Holds {
            continue;
        }
        if let Some(inside) = inside(*address) {
            let message = format!("`{}` is on a {} address", listener.id, inside.how);
            let span = cx.wrote(&listener.id).place(side.family);
            explain(report.at(&listener.id, span, message), &inside);
        }
    }
    for backend in behind::all(cx) {
        let Some(address) = backend.ip() else { continue };
        // One that leads to the credentials of a cloud is a finding of its own.
        if super::metadata_backend::metadata(address).is_some() {
            continue;
        }
        if let Some(inside) = inside(address) {
            let message = format!("`{}` is a {} address", backend.address, inside.how);
            explain(backend.report(report, message), &inside);
        }
    }
}

/// What is wrapped, and how.
struct Inside {
    how: &'static str,
    address: IpAddr,
}

fn inside(address: IpAddr) -> Option<Inside> {
    let (how, inner) = transition::embedded(address)?;
    Some(Inside { how: how.word(), address: inner.into() })
}

fn explain(finding: Finding<'_>, inside: &Inside) {
    let Inside { how, address } = inside;
    finding
        .label(format!("leads to {address}, which is {}", classify(*address)))
        .note(format!(
            "a {how} address stands for the IPv4 address in it, and who filters by the outside does not see that one"
        ))
        .help(format!("write {address}, or an IPv6 address of the host itself"));
}
