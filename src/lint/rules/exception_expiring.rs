//! PC1102 `exception-expiring`. The page is `exception_expiring.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule, exception},
    policy::{
        Expiry,
        governance::{Standing, standing},
    },
};

pub(super) static RULE: Rule = Rule {
    code: "PC1102",
    name: "exception-expiring",
    group: Group::Governance,
    level: Level::Warn,
    since: "0.1.0",
    page: include_str!("exception_expiring.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    let left = |expires: &Expiry, warn_before: u32| match standing(expires, cx.today) {
        Standing::Left(left) if left < warn_before => Some(if left == 0 {
            "ends today, UTC".to_owned()
        } else {
            format!("ends in {}", exception::days(left))
        }),
        _ => None,
    };
    for held in cx.grants() {
        let warn_before = held.file.meaning.terms.warn_before_days;
        if let Some(left) = left(&held.grant.expires, warn_before)
            && held.has_listener(cx)
        {
            let message = format!("grant {} for `{}` {left}", held.id, held.grant.listener);
            report
                .of_guardrail(held.guardrail, held.at(|grant| &grant.expires), message)
                .listener(&held.grant.listener)
                .help("decide whether it is granted anew, or have the listener narrowed by then");
        }
    }
    // The most watchful guardrail decides for what the file says itself.
    let warn_before = cx.readable_guardrails().map(|(_, file)| file.meaning.terms.warn_before_days);
    let Some(warn_before) = warn_before.max() else { return };
    for (listener, allow) in cx.signed() {
        if let Some(left) = left(&allow.expires, warn_before) {
            let message = format!("the `allow` of `{}` {left}", listener.id);
            report
                .at(&listener.id, cx.wrote(&listener.id).expires(), message)
                .help("sign anew, or narrow the listener by then");
        }
    }
    for expected in cx.expectations() {
        let meaning = expected.meaning;
        if let Some(left) = left(&meaning.expires, warn_before) {
            let message =
                format!("the expectation of {} for `{}` {left}", meaning.code, meaning.listener);
            report
                .of_file(expected.at(|entry| &entry.expires), message)
                .listener(&meaning.listener)
                .help("repair what is found, or give the expectation a new day");
        }
    }
}
