//! PC0602 `sensitive-backend-exposed`. The page is `sensitive_backend_exposed.md`.

use crate::{
    diagnostic::Level,
    lint::{
        Check, Context, Group, Report, Rule,
        behind::Services,
        served::{self, Served},
        wrote,
    },
    policy::Action,
};

pub(super) static RULE: Rule = Rule {
    code: "PC0602",
    name: "sensitive-backend-exposed",
    group: Group::Backend,
    level: Level::Forbid,
    since: "0.1.0",
    page: include_str!("sensitive_backend_exposed.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    let services = Services::of(cx);
    for listener in cx.policy.listeners.values() {
        let Action::Forward(upstream) = &listener.action else { continue };
        let Some(served) = Served::by(listener) else { continue };
        for (service, at) in services.behind(cx, listener) {
            let Some(level) = served.level(service.weight) else { continue };
            let message =
                format!("`{}` offers {} to {}", listener.id, service.name, served.words());
            let wrote = cx.wrote(&listener.id);
            let mut finding = report
                .at(&listener.id, wrote.forward(), message)
                .level(if level == Level::Error { Level::Forbid } else { level })
                .related(wrote.expose(), format!("to {}", served.words()))
                .note(service.why)
                .help(service.instead);
            if let Some(span) = wrote::backend(cx.config, upstream, at) {
                finding = finding.related(span, format!("this is {}", service.name));
            }
            if !served.named {
                finding.help(served::NAME_THEM);
            }
        }
    }
}
