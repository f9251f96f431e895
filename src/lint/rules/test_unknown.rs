//! PC1204 `test-unknown`. The page is `test_unknown.md`.

use crate::{
    diagnostic::Level,
    exposure::proof::{Proof, groups},
    lint::{
        Check, Context, Group, Report, Rule,
        claims::{self, Decided},
    },
};

pub(super) static RULE: Rule = Rule {
    code: "PC1204",
    name: "test-unknown",
    group: Group::Tests,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("test_unknown.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for decided in claims::decided(cx) {
        if decided.proof == Proof::NoGroup {
            no_group(cx, &decided, report);
            continue;
        }
        let Proof::Unknown(listener) = &decided.proof else { continue };
        let place = cx.wrote(listener).expose();
        decided
            .report(cx, report, listener, place, "depends on the host")
            .note("what is not known does not count as safe")
            .help(
                "name the address or its block, or check on the host itself with `portcullis plan`",
            );
    }
}

/// A name that no group has would hold of every file.
fn no_group(cx: &Context<'_>, decided: &Decided<'_>, report: &mut Report<'_>) {
    let message = format!("test \"{}\" speaks of a group that there is not", decided.claim.name);
    let finding = match decided.guardrail {
        None => report.of_file(decided.span, message),
        Some(at) => report.of_guardrail(at, decided.span, message),
    };
    let known: Vec<_> = groups().into_iter().collect();
    let help = format!("write one of `{}`", known.join("`, `"));
    finding.help(help).claim(decided.title(cx));
}
