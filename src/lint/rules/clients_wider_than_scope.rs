//! PC0106 `clients-wider-than-scope`. The page is `clients_wider_than_scope.md`.

use crate::{
    address::Class,
    diagnostic::Level,
    exposure::asserted,
    lint::{
        Check, Context, Group, Report, Rule,
        served::{covers_everyone, few, public_clients},
    },
    policy::Side,
};

pub(super) static RULE: Rule = Rule {
    code: "PC0106",
    name: "clients-wider-than-scope",
    group: Group::Exposure,
    level: Level::Warn,
    since: "0.1.0",
    page: include_str!("clients_wider_than_scope.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for (listener, side) in cx.sides() {
        let Some(clients) = &listener.clients else { continue };
        let Some(span) = cx.wrote(&listener.id).clients_allow() else { continue };
        // A list of everyone is a finding of its own.
        if !is_narrow(side) || covers_everyone(clients, side.family) {
            continue;
        }
        let public = public_clients(clients, side.family);
        if public.is_empty() {
            continue;
        }
        let message =
            format!("`{}` is not public, and its list of clients is in part", listener.id);
        report
            .at(&listener.id, span, message)
            .label(format!("public: {}", few(&public)))
            .note("from there nobody can connect to such an address, unless something in front changes where a connection goes")
            .help("leave these clients out");
    }
}

fn is_narrow(side: &Side) -> bool {
    let is_narrow =
        |class| matches!(class, Class::Host | Class::Link | Class::Private | Class::Shared);
    asserted(&side.place).into_iter().all(is_narrow)
}
