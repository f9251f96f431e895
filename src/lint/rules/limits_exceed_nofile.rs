//! PC0805 `limits-exceed-nofile`. The page is `limits_exceed_nofile.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule},
    policy::Listener,
};

pub(super) static RULE: Rule = Rule {
    code: "PC0805",
    name: "limits-exceed-nofile",
    group: Group::Limits,
    level: Level::Warn,
    since: "0.1.0",
    page: include_str!("limits_exceed_nofile.md"),
    check: Check::Lint(check),
};

/// What a connection holds: the client's socket and the backend's.
const DESCRIPTORS_EACH: u64 = 2;

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    let bounded = cx.policy.listeners.values().filter(|listener| connections(listener) > 0);
    let total: u64 = bounded.clone().map(|listener| connections(listener)).sum();
    let Some(largest) = bounded.max_by_key(|listener| connections(listener)) else { return };
    let needed = DESCRIPTORS_EACH * total;
    let Some(host) = cx.host else { return };
    let Some(limit) = host.facts.descriptors.filter(|limit| *limit < needed) else { return };
    let message =
        format!("{total} connections at a time need more descriptors than this process may have");
    report
        .at(&largest.id, cx.wrote(&largest.id).connections(), message)
        .label("the largest of the limits")
        .note(format!("each takes two, a socket to the client and one to the backend: {needed}, and {limit} may be open here (RLIMIT_NOFILE)"))
        .help(format!("raise the limit in the systemd unit: `LimitNOFILE={}`", needed.next_power_of_two()))
        .help("or allow fewer connections");
}

fn connections(listener: &Listener) -> u64 {
    listener.limits.connections.map_or(0, |limit| limit.get().into())
}
