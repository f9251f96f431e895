//! PC1202 `test-vacuous`. The page is `test_vacuous.md`.

use crate::{
    diagnostic::Level,
    exposure::proof::Proof,
    lint::{Check, Context, Group, Report, Rule, claims},
};

pub(super) static RULE: Rule = Rule {
    code: "PC1202",
    name: "test-vacuous",
    group: Group::Tests,
    level: Level::Warn,
    since: "0.1.0",
    page: include_str!("test_vacuous.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for decided in claims::decided(cx) {
        let (why, help) = match (&decided.proof, decided.guardrail) {
            (Proof::NoSource, _) => ("there is no address in its `from`", "say from where"),
            // Not every service has what a guardrail speaks of.
            (Proof::NoTarget, None) => ("nothing leads to its `to`", "say to what, or remove it"),
            _ => continue,
        };
        let message = format!("test \"{}\" proves nothing", decided.claim.name);
        let finding = match decided.guardrail {
            None => report.of_file(decided.span, message),
            Some(at) => report.of_guardrail(at, decided.span, message),
        };
        finding.label(why).help(help).claim(decided.title(cx));
    }
}
