//! PC1115 `guardrails-contradict`. The page is `guardrails_contradict.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule},
    policy::governance::{GuardrailFile, Scope},
    source::Span,
};

pub(super) static RULE: Rule = Rule {
    code: "PC1115",
    name: "guardrails-contradict",
    group: Group::Governance,
    level: Level::Warn,
    since: "0.1.0",
    page: include_str!("guardrails_contradict.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    lowered(cx, report);
    let files: Vec<_> = cx.readable_guardrails().collect();
    for (index, (at, later)) in files.iter().enumerate() {
        for (_, earlier) in files.iter().take(index) {
            zones(report, *at, later, earlier);
            let (ours, theirs) = (&later.meaning.may_expose, &earlier.meaning.may_expose);
            let common = Scope::ALL.iter().any(|scope| scope.is_in(ours) && scope.is_in(theirs));
            if !common && !ours.is_empty() && !theirs.is_empty() {
                let span = later.written.may_expose.span().unwrap_or_default();
                let message = format!(
                    "guardrails `{}` and `{}` have nothing in common that needs no grant",
                    earlier.name(),
                    later.name()
                );
                report
                    .of_guardrail(*at, span, message)
                    .note("what one of them lets pass, the other refuses, so every listener needs a grant")
                    .help("agree on what a listener may expose");
            }
        }
    }
}

/// Levels below those that rules have by themselves.
fn lowered(cx: &Context<'_>, report: &mut Report<'_>) {
    for (at, file) in cx.readable_guardrails() {
        let Some(lints) = file.written.lints.get() else { continue };
        for (level, list) in [(Level::Error, &lints.error), (Level::Warn, &lints.warn)] {
            for code in list.get().into_iter().flatten() {
                let Some(rule) = crate::lint::rule(&code.value) else { continue };
                if level < rule.level {
                    let message =
                        format!("{} weighs more by itself than this guardrail says", rule.code);
                    report
                        .of_guardrail(at, code.span, message)
                        .note("a guardrail can raise a level, and never lower it")
                        .help("remove it here; the level stays as it is");
                }
            }
        }
    }
}

fn zones(report: &mut Report<'_>, at: usize, later: &GuardrailFile, earlier: &GuardrailFile) {
    for (index, zone) in later.meaning.zones.iter().enumerate() {
        let other = earlier.meaning.zones.iter().find(|other| {
            other.scope != zone.scope && !other.block.intersection(&zone.block).is_empty()
        });
        let Some(other) = other else { continue };
        let message = format!(
            "{} is {} here, and {} in guardrail `{}`",
            other.block.intersection(&zone.block),
            zone.scope,
            other.scope,
            earlier.name()
        );
        report
            .of_guardrail(at, place(later, index), message)
            .note("each is held to its own word, so the stricter one decides")
            .help("agree on what these addresses are");
    }
}

/// Where the zone of this index stands: a guardrail without findings has as many as were written.
fn place(file: &GuardrailFile, index: usize) -> Span {
    let zones = file.written.zones.get().map_or(&[][..], |zones| &zones.0);
    zones.get(index).map_or_else(Span::default, |zone| zone.value.cidr.span().unwrap_or(zone.span))
}
