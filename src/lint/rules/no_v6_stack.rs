//! PC0405 `no-v6-stack`. The page is `no_v6_stack.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule},
    plan::{Cause, Conflict},
    policy::Family,
};

pub(super) static RULE: Rule = Rule {
    code: "PC0405",
    name: "no-v6-stack",
    group: Group::Family,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("no_v6_stack.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for Conflict { listener, cause, .. } in cx.conflicts() {
        if *cause != Cause::NoIpv6 {
            continue;
        }
        report
            .at(
                listener,
                cx.wrote(listener).side(Family::V6),
                format!("`{listener}` asks for IPv6, which this host lacks"),
            )
            .note("it has no IPv6 at all, or it is switched off")
            .help(
                "write `none` for IPv6, or switch it on: `sysctl net.ipv6.conf.all.disable_ipv6=0`",
            );
    }
}
