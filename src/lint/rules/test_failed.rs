//! PC1201 `test-failed`. The page is `test_failed.md`.

use crate::{
    diagnostic::Level,
    exposure::proof::Proof,
    lint::{Check, Context, Group, Report, Rule, claims},
    policy::claim::Outcome,
};

pub(super) static RULE: Rule = Rule {
    code: "PC1201",
    name: "test-failed",
    group: Group::Tests,
    level: Level::Forbid,
    since: "0.1.0",
    page: include_str!("test_failed.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for decided in claims::decided(cx) {
        let Proof::Fails(example) = &decided.proof else { continue };
        let wrote = cx.wrote(&example.listener);
        let served_by_list = wrote.listener().is_some_and(|one| !one.clients.is_absent());
        let place = match decided.claim.outcome {
            Outcome::Served if served_by_list => wrote.clients(),
            _ => example.family.map_or_else(|| wrote.expose(), |family| wrote.side(family)),
        };
        let help = match decided.claim.outcome {
            Outcome::Served => "let these clients in, or claim less",
            Outcome::Unreachable => "narrow `expose` or `clients` until nobody of them is served",
            Outcome::Invisible => "narrow `expose`: an allow-list refuses after the handshake",
        };
        decided
            .report(cx, report, &example.listener, place, "fails")
            .note(claims::shown(decided.claim, example))
            .help(help);
    }
}
