//! PC1109 `overlapping-exceptions`. The page is `overlapping_exceptions.md`.

use std::collections::BTreeMap;

use crate::{
    diagnostic::Level,
    exposure::leave::holds,
    lint::{Check, Context, Group, Report, Rule, exception::Held},
    source::Span,
};

pub(super) static RULE: Rule = Rule {
    code: "PC1109",
    name: "overlapping-exceptions",
    group: Group::Governance,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("overlapping_exceptions.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    let mut earlier: BTreeMap<(usize, &str), Vec<Held<'_>>> = BTreeMap::new();
    for held in cx.grants().into_iter().filter(|held| holds(held.grant, cx.today)) {
        let before = earlier.entry((held.guardrail, &held.grant.listener)).or_default();
        let twin = before.iter().find(|before| before.grant.bounds.meets(&held.grant.bounds));
        if let Some(twin) = twin {
            let message = format!(
                "grants {} and {} let the same flow of `{}` pass",
                twin.id, held.id, held.grant.listener
            );
            report
                .of_guardrail(held.guardrail, held.at(|grant| &grant.r#box), message)
                .listener(&held.grant.listener)
                .related(twin.at(|grant| &grant.r#box), "the other box is here")
                .note("when one of them ends, the other goes on, and nobody sees that it does")
                .help("make the boxes disjoint, or one of them");
        }
        before.push(held);
    }
    let mut first: BTreeMap<(&str, &str), Span> = BTreeMap::new();
    for expected in cx.expectations() {
        let meaning = expected.meaning;
        let place = expected.at(|entry| &entry.code);
        if let Some(first) = first.get(&(&*meaning.code, &*meaning.listener)) {
            let message = format!("{} is expected of `{}` twice", meaning.code, meaning.listener);
            report
                .of_file(place, message)
                .listener(&meaning.listener)
                .related(*first, "first here")
                .help("keep the one whose reason is true");
            continue;
        }
        first.insert((&meaning.code, &meaning.listener), place);
    }
}
