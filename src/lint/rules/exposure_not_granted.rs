//! PC0113 `exposure-not-granted`. The page is `exposure_not_granted.md`.

use crate::{
    diagnostic::Level,
    exposure::leave::Pass,
    lint::{Check, Context, Group, Report, Rule, signature},
    policy::governance::Scope,
};

pub(super) static RULE: Rule = Rule {
    code: "PC0113",
    name: "exposure-not-granted",
    group: Group::Exposure,
    level: Level::Forbid,
    since: "0.1.0",
    page: include_str!("exposure_not_granted.md"),
    check: Check::Lint(check),
};

/// What has no rule of its own.
const NARROW: [Scope; 5] =
    [Scope::Unix, Scope::Loopback, Scope::Link, Scope::Private, Scope::Shared];

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for listener in cx.policy.listeners.values() {
        let wrote = cx.wrote(&listener.id);
        if let Some(objection) = signature::objection(cx, listener, false, &NARROW) {
            let span = objection.family().map_or_else(|| wrote.expose(), |one| wrote.side(one));
            let message = signature::exposes(Scope::Private, &listener.id);
            let finding = report.at(&listener.id, span, message);
            signature::explain(finding, cx, &listener.id, &objection);
        }
        let mut leaves = cx.leaves.listener(&listener.id).iter();
        if let Some(leave) = leaves.find(|leave| matches!(leave.pass, Pass::Perhaps)) {
            let name = cx.guardrails[leave.guardrail].name();
            let question = format!("whether its address needs a grant of guardrail `{name}`");
            report.only_the_host_knows(&listener.id, question);
        }
    }
}
