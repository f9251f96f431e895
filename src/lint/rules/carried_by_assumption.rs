//! PC1114 `carried-by-assumption`. The page is `carried_by_assumption.md`.

use crate::{
    diagnostic::Level,
    exposure::{assumption::Assumption, sensitive::Weight},
    lint::{
        Check, Context, Group, Report, Rule,
        behind::Services,
        served::{self, Scope, Served},
    },
    policy::{Expose, Listener},
};

pub(super) static RULE: Rule = Rule {
    code: "PC1114",
    name: "carried-by-assumption",
    group: Group::Backend,
    level: Level::Info,
    since: "0.1.0",
    page: include_str!("carried_by_assumption.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    let services = Services::of(cx);
    for listener in cx.policy.listeners.values() {
        let unnamed = Served { scope: Scope::Private, named: false };
        if Served::by(listener) != Some(unnamed) {
            continue;
        }
        // What is too much for the private network itself has a finding already, and what is no
        // error on the internet is not worth one here.
        let matters =
            |weight: Weight| weight.private.is_none() && weight.public == Some(Level::Error);
        let behind = services.behind(cx, listener);
        let Some((service, _)) = behind.iter().find(|(one, _)| matters(one.weight)) else {
            continue;
        };
        let wrote = cx.wrote(&listener.id);
        let message = format!("only assumptions keep `{}` from strangers", service.name);
        let mut finding = report
            .at(&listener.id, wrote.expose(), message)
            .label(format!("`{}` lets in whoever reaches this address", listener.id))
            .related(wrote.forward(), format!("this is {}", service.name));
        for assumption in carrying(listener) {
            finding = finding.note(format!("{}: {}", assumption.name(), assumption.says()));
        }
        finding.help(served::NAME_THEM.trim_start_matches("or "));
    }
}

/// What keeps strangers from a private address: that nothing in front brings them in, and, where
/// the socket is tied to no interface, that they come in over no other.
fn carrying(listener: &Listener) -> Vec<Assumption> {
    let Expose::Ip(sides) = &listener.expose else { return Vec::new() };
    let is_loose = sides.iter().any(|side| !side.pin);
    [Assumption::A2].into_iter().chain(is_loose.then_some(Assumption::A3)).collect()
}
