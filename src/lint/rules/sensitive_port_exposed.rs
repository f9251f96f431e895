//! PC0601 `sensitive-port-exposed`. The page is `sensitive_port_exposed.md`.

use crate::{
    diagnostic::Level,
    exposure::sensitive,
    lint::{
        Check, Context, Group, Report, Rule,
        behind::Services,
        served::{self, Served},
    },
    policy::Action,
};

pub(super) static RULE: Rule = Rule {
    code: "PC0601",
    name: "sensitive-port-exposed",
    group: Group::Backend,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("sensitive_port_exposed.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    let services = Services::of(cx);
    for listener in cx.policy.listeners.values() {
        // Where the answer comes from is known there, and it is not this service.
        if listener.action == Action::Status {
            continue;
        }
        let Some(served) = Served::by(listener) else { continue };
        let behind = services.behind(cx, listener);
        for (service, port) in sensitive::on_ports(&listener.ports) {
            let Some(level) = served.level(service.weight) else { continue };
            // A backend that is the same service has a finding of its own, which weighs more.
            if behind.iter().any(|(other, _)| other.name == service.name) {
                continue;
            }
            let message = format!(
                "`{}` serves port {port}, where {} is expected, to {}",
                listener.id,
                service.name,
                served.words()
            );
            let finding = report
                .at(&listener.id, cx.wrote(&listener.id).port(port), message)
                .level(level)
                .label(service.name)
                .note(service.why)
                .help(service.instead);
            if !served.named {
                finding.help(served::NAME_THEM);
            }
        }
    }
}
