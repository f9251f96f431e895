//! PC0101 `any-bind-not-granted`. The page is `any_bind_not_granted.md`.

use crate::{
    diagnostic::Level,
    exposure::{Accept, Destination},
    lint::{Check, Context, Group, Report, Rule, signature},
    policy::governance::Scope,
};

pub(super) static RULE: Rule = Rule {
    code: "PC0101",
    name: "any-bind-not-granted",
    group: Group::Exposure,
    level: Level::Forbid,
    since: "0.1.0",
    page: include_str!("any_bind_not_granted.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for listener in cx.policy.listeners.values() {
        let mut accepts = cx.exposure.listener(&listener.id).iter();
        let is_open = |accept: &&Accept| accept.destination == Destination::Open;
        let Some(open) = accepts.find(is_open) else { continue };
        let objection = signature::objection(cx, listener, true, &[Scope::Any]);
        let Some(objection) = objection else { continue };
        let message = signature::exposes(Scope::Any, &listener.id);
        let finding = report.at(&listener.id, cx.wrote(&listener.id).side(open.family()), message);
        signature::explain(finding, cx, &listener.id, &objection)
            .note("an address that the host is given later is served at once");
    }
}
