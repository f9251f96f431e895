//! PC0008 `limit-exceeded`. The page is `limit_exceeded.md`; `config` and `compile` report their
//! own bounds under the same code.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule},
    plan::{Cause, build::MAX_SOCKETS},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0008",
    name: "limit-exceeded",
    group: Group::Syntax,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("limit_exceeded.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for conflict in cx.conflicts().iter().filter(|conflict| conflict.cause == Cause::TooMany) {
        let listener = &conflict.listener;
        let message =
            format!("with `{listener}` the file asks for more than {MAX_SOCKETS} sockets");
        report
            .at(listener, cx.wrote(listener).name(), message)
            .note("every port of every address is a socket, times `fanout`")
            .help("bind fewer ports, or use a smaller `fanout`");
    }
}
