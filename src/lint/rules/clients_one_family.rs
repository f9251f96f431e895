//! PC0404 `clients-one-family`. The page is `clients_one_family.md`.

use crate::{
    address::set::AddressSet,
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule},
    policy::{Expose, Family},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0404",
    name: "clients-one-family",
    group: Group::Family,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("clients_one_family.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for listener in cx.policy.listeners.values() {
        let (Some(clients), Expose::Ip(sides)) = (&listener.clients, &listener.expose) else {
            continue;
        };
        let serves = |family| sides.iter().any(|side| side.family == family);
        if !serves(Family::V4) || !serves(Family::V6) {
            continue;
        }
        let wrote = cx.wrote(&listener.id);
        let is_allowed = wrote.clients_allow().is_some();
        let (left_out, fate) = match (clients.has_v4(), clients.has_v6()) {
            (true, false) => (Family::V6, "nobody"),
            (false, true) => (Family::V4, "nobody"),
            _ if is_allowed => continue,
            _ => match (is_whole(clients, Family::V4), is_whole(clients, Family::V6)) {
                (false, true) => (Family::V6, "everyone"),
                (true, false) => (Family::V4, "everyone"),
                _ => continue,
            },
        };
        let message = format!(
            "`{}` listens on IPv4 and IPv6, and over {left_out} it serves {fate}",
            listener.id
        );
        let span = wrote.clients_allow().unwrap_or_else(|| wrote.clients());
        report
            .at(&listener.id, span, message)
            .label(format!("nothing here is {left_out}"))
            .help(format!("add the {left_out} clients"))
            .help("or bind one family, with `none` for the other");
    }
}

/// Whether every address of the family is a client.
fn is_whole(clients: &AddressSet, family: Family) -> bool {
    let refused = AddressSet::all().difference(clients);
    match family {
        Family::V4 => !refused.has_v4(),
        Family::V6 => !refused.has_v6(),
    }
}
