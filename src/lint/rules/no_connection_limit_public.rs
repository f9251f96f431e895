//! PC0803 `no-connection-limit-public`. The page is `no_connection_limit_public.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule, served::faces_internet},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0803",
    name: "no-connection-limit-public",
    group: Group::Limits,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("no_connection_limit_public.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for listener in cx.policy.listeners.values() {
        let limits = &listener.limits;
        if limits.connections.is_some() || limits.per_client.is_some() || !faces_internet(listener)
        {
            continue;
        }
        let message =
            format!("`{}` faces the internet and takes any number of connections", listener.id);
        report
            .at(&listener.id, cx.wrote(&listener.id).name(), message)
            .note("one client can open them until this process has no descriptors left, and then no listener accepts")
            .help("write how many it may have: `limits: { connections: 10000, per_client: 100 }`");
    }
}
