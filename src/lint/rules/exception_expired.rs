//! PC1101 `exception-expired`. The page is `exception_expired.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule, exception},
    policy::governance::standing,
};

pub(super) static RULE: Rule = Rule {
    code: "PC1101",
    name: "exception-expired",
    group: Group::Governance,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("exception_expired.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for held in cx.grants() {
        let Some(lapse) = exception::lapse(standing(&held.grant.expires, cx.today)) else {
            continue;
        };
        if held.has_listener(cx) {
            let message = format!("grant {} for `{}` {lapse}", held.id, held.grant.listener);
            report
                .of_guardrail(held.guardrail, held.at(|grant| &grant.expires), message)
                .listener(&held.grant.listener)
                .level(exception::weight(cx.runs_by_name(&held.grant.listener)))
                .help("remove it, or grant it anew with a new `approved_on` and `expires`");
        }
    }
    for (listener, allow) in cx.signed() {
        let runs = cx.runs(listener);
        if exception::needs_signature(listener) && !runs {
            continue;
        }
        if let Some(lapse) = exception::lapse(standing(&allow.expires, cx.today)) {
            let message = format!("the `allow` of `{}` {lapse}", listener.id);
            report
                .at(&listener.id, cx.wrote(&listener.id).expires(), message)
                .level(exception::weight(runs))
                .help("sign anew where it is needed, or remove it");
        }
    }
    for expected in cx.expectations() {
        let meaning = expected.meaning;
        if let Some(lapse) = exception::lapse(standing(&meaning.expires, cx.today)) {
            let message =
                format!("the expectation of {} for `{}` {lapse}", meaning.code, meaning.listener);
            report
                .of_file(expected.at(|entry| &entry.expires), message)
                .listener(&meaning.listener)
                .level(exception::weight(cx.runs_by_name(&meaning.listener)))
                .help("remove it, or give it a new reason and a new day");
        }
    }
}
