//! PC0206 `cgnat-as-private`. The page is `cgnat_as_private.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule, assertion},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0206",
    name: "cgnat-as-private",
    group: Group::Address,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("cgnat_as_private.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for (listener, side) in cx.sides() {
        if !assertion::is_shared_as_private(&side.place) {
            continue;
        }
        let message = format!("`{}` takes shared space for private", listener.id);
        report
            .at(&listener.id, cx.wrote(&listener.id).place(side.family), message)
            .label("in 100.64.0.0/10")
            .note("behind a carrier's translation these are other customers, in an overlay network all its members (RFC 6598)")
            .help("write `shared` instead of `private`, and name the clients");
    }
}
