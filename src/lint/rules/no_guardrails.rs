//! PC1111 `no-guardrails`. The page is `no_guardrails.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC1111",
    name: "no-guardrails",
    group: Group::Governance,
    level: Level::Info,
    since: "0.1.0",
    page: include_str!("no_guardrails.md"),
    check: Check::Lint(check),
};

/// Says it once for a file, at the first signature that nobody else holds against anything: a file
/// that signs for nothing wide needs nobody else.
fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    if !cx.guardrails.is_empty() {
        return;
    }
    let wide = cx.signed().map(|(listener, _)| listener).filter(|listener| listener.needs_allow());
    let mut places: Vec<_> =
        wide.map(|listener| (cx.wrote(&listener.id).allow(), &listener.id)).collect();
    places.sort();
    let Some((first, listener)) = places.first() else { return };
    let others = match places.len() - 1 {
        0 => String::new(),
        1 => " and one more listener".to_owned(),
        count => format!(" and {count} more listeners"),
    };
    report
        .of_file(*first, "the file alone approves what it opens")
        .label(format!("the only signature under `{listener}`{others}"))
        .help("hold it against a guardrail that somebody else owns: `--guardrails FILE`");
}
