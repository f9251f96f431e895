//! PC0802 `no-idle-timeout-public`. The page is `no_idle_timeout_public.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule, served::faces_internet},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0802",
    name: "no-idle-timeout-public",
    group: Group::Limits,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("no_idle_timeout_public.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for listener in cx.policy.listeners.values() {
        if !faces_internet(listener) {
            continue;
        }
        let wrote = cx.wrote(&listener.id);
        let finding = match (wrote.idle(), listener.timeouts.idle) {
            (Some(_), Some(_)) => continue,
            (Some(span), None) => {
                let message =
                    format!("`{}` keeps idle connections from the internet for ever", listener.id);
                report.at(&listener.id, span, message)
            }
            (None, _) => {
                let message = format!(
                    "`{}` faces the internet and does not say how long a connection may be idle",
                    listener.id
                );
                report.at(&listener.id, wrote.name(), message)
            }
        };
        finding
            .note(
                "a client that connects and says nothing \
                holds a descriptor and a place in the limits",
            )
            .help("write how long silence may last: `timeouts: { idle: 5m }`");
    }
}
