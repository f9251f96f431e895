//! PC1112 `exception-too-long`. The page is `exception_too_long.md`.

use crate::{
    address::Date,
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule, exception},
    policy::Expiry,
};

pub(super) static RULE: Rule = Rule {
    code: "PC1112",
    name: "exception-too-long",
    group: Group::Governance,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("exception_too_long.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for held in cx.grants() {
        let Some(max) = held.file.meaning.terms.max_days else { continue };
        let Some(from) = held.grant.approved_on else {
            let message = format!("how long grant {} holds cannot be counted", held.id);
            report
                .of_guardrail(held.guardrail, held.span, message)
                .listener(&held.grant.listener)
                .help("add `approved_on: YYYY-MM-DD`");
            continue;
        };
        if let Some(long) = too_long(from, &held.grant.expires, max) {
            let message = format!("grant {} {long}", held.id);
            report
                .of_guardrail(held.guardrail, held.at(|grant| &grant.expires), message)
                .listener(&held.grant.listener)
                .label(format!("the most is {}", exception::days(max)))
                .help("let it end sooner, and be granted anew when it is still needed");
        }
    }
    for (_, file) in cx.readable_guardrails() {
        let name = file.name();
        // Nobody says when a file signed, so its days are counted from this one.
        for (listener, allow) in cx.signed() {
            let long =
                file.meaning.terms.max_days.and_then(|max| too_long(cx.today, &allow.expires, max));
            if let Some(long) = long {
                let message = format!("the `allow` of `{}` {long}", listener.id);
                report
                    .at(&listener.id, cx.wrote(&listener.id).expires(), message)
                    .note(format!("guardrail `{name}` sets the most that an exception may last"))
                    .help("let it end sooner, and sign anew when it is still needed");
            }
        }
        for expected in cx.expectations() {
            let meaning = expected.meaning;
            let max = file.meaning.suppressions.max_days;
            if let Some(long) = max.and_then(|max| too_long(cx.today, &meaning.expires, max)) {
                let message = format!(
                    "the expectation of {} for `{}` {long}",
                    meaning.code, meaning.listener
                );
                report
                    .of_file(expected.at(|entry| &entry.expires), message)
                    .listener(&meaning.listener)
                    .note(format!("guardrail `{name}` sets the most that an expectation may last"))
                    .help("let it end sooner");
            }
        }
    }
}

/// In words after its name, how much too long something is; what is no day has ended already.
fn too_long(from: Date, expires: &Expiry, max: u32) -> Option<String> {
    match expires {
        Expiry::Never => Some(format!("never ends, and may hold for {}", exception::days(max))),
        Expiry::On(last) => {
            let held = from.days_until(*last)?;
            (held > max).then(|| {
                format!("holds for {} from {from} on, and may for {max}", exception::days(held))
            })
        }
        Expiry::Malformed => None,
    }
}
