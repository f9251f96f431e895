//! PC0104 `clients-cover-everything`. The page is `clients_cover_everything.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule, served::covers_everyone},
    policy::Expose,
};

pub(super) static RULE: Rule = Rule {
    code: "PC0104",
    name: "clients-cover-everything",
    group: Group::Exposure,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("clients_cover_everything.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for listener in cx.policy.listeners.values() {
        let (Some(clients), Expose::Ip(sides)) = (&listener.clients, &listener.expose) else {
            continue;
        };
        // A list of those who are refused lets in everyone else by design.
        let Some(span) = cx.wrote(&listener.id).clients_allow() else { continue };
        let families = sides.iter().map(|side| side.family);
        let open: Vec<_> = families
            .filter(|family| covers_everyone(clients, *family))
            .map(|family| family.to_string())
            .collect();
        if open.is_empty() {
            continue;
        }
        let message = format!(
            "`{}` lists its clients over {}, and the list is everyone",
            listener.id,
            open.join(" and ")
        );
        report
            .at(&listener.id, span, message)
            .label("taken together, these blocks leave out next to nobody")
            .help("list who is meant to be served")
            .help("or leave `clients` out, which says that everyone is");
    }
}
