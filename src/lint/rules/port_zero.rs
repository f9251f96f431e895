//! PC0305 `port-zero`. The page is `port_zero.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0305",
    name: "port-zero",
    group: Group::Port,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("port_zero.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    if cx.allow_port_zero {
        return;
    }
    for listener in cx.policy.listeners.values() {
        // Ranges are sorted, so that only the first can begin with 0.
        if listener.ports.first().is_some_and(|range| range.first == 0) {
            report
                .at(
                    &listener.id,
                    cx.wrote(&listener.id).port(0),
                    format!("`{}` listens on port 0", listener.id),
                )
                .note("the kernel takes it as a wish for any free port, another one at every start")
                .help("write the port that clients are to use");
        }
    }
}
