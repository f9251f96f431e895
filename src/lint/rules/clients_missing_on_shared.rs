//! PC0105 `clients-missing-on-shared`. The page is `clients_missing_on_shared.md`.

use crate::{
    address::Class,
    diagnostic::Level,
    exposure::asserted,
    lint::{
        Check, Context, Group, Report, Rule,
        assertion::{self, Assertion},
        signature,
        wrote::Wrote,
    },
    policy::{Listener, Side},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0105",
    name: "clients-missing-on-shared",
    group: Group::Exposure,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("clients_missing_on_shared.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for (listener, side) in cx.sides() {
        let wrote = cx.wrote(&listener.id);
        if !is_shared(side) || names_clients(listener, wrote) || signature::is_signed(cx, listener)
        {
            continue;
        }
        let message = format!("`{}` serves everybody in shared space", listener.id);
        report
            .at(&listener.id, wrote.side(side.family), message)
            .note("100.64.0.0/10 is shared with whoever the carrier or the overlay network puts there (RFC 6598)")
            .help("list who is to be served: `clients: { allow: [100.100.0.0/16] }`")
            .help("if all of them are, sign for it: `allow: { reason: …, owner: …, expires: YYYY-MM-DD }`");
    }
}

/// Whether the side is truly on shared addresses: a keyword that is not true has a finding of its
/// own.
fn is_shared(side: &Side) -> bool {
    asserted(&side.place).contains(&Class::Shared)
        && assertion::judge(&side.place) == Assertion::Holds
}

/// Whether the file says who is served, rather than who is not.
fn names_clients(listener: &Listener, wrote: Wrote<'_>) -> bool {
    listener.clients.is_some() && wrote.clients_allow().is_some()
}
