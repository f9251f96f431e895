//! PC0102 `public-not-granted`. The page is `public_not_granted.md`.

use crate::{
    address::Class,
    diagnostic::Level,
    exposure::{Accept, asserted},
    lint::{Check, Context, Group, Report, Rule, signature},
    policy::governance::Scope,
};

pub(super) static RULE: Rule = Rule {
    code: "PC0102",
    name: "public-not-granted",
    group: Group::Exposure,
    level: Level::Forbid,
    since: "0.1.0",
    page: include_str!("public_not_granted.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for listener in cx.policy.listeners.values() {
        let mut accepts = cx.exposure.listener(&listener.id).iter();
        let public = accepts.find(|accept| is_public(accept));
        let objection = signature::objection(cx, listener, public.is_some(), &[Scope::Public]);
        let Some(objection) = objection else { continue };
        let family = public.map(Accept::family).or_else(|| objection.family());
        let wrote = cx.wrote(&listener.id);
        let span = family.map_or_else(|| wrote.expose(), |family| wrote.side(family));
        let message = signature::exposes(Scope::Public, &listener.id);
        signature::explain(report.at(&listener.id, span, message), cx, &listener.id, &objection);
    }
}

/// Whether it asks for public addresses and may get some. An address of a narrower class beside
/// `public` is a mismatch instead; one that is nobody's stands in for a public one.
fn is_public(accept: &Accept) -> bool {
    let is_real = |class: &Class| matches!(class, Class::Public | Class::Special);
    asserted(&accept.side.place).contains(&Class::Public) && accept.classes().iter().any(is_real)
}
