//! PC0907 `guardrail-writable`. The page is `guardrail_writable.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0907",
    name: "guardrail-writable",
    group: Group::Host,
    level: Level::Forbid,
    since: "0.1.0",
    page: include_str!("guardrail_writable.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for (at, file) in cx.guardrails.iter().enumerate() {
        let Some(how) = &file.writable else { continue };
        let message = format!("guardrail `{}` can be changed by whom it is to bind", file.name());
        report
            .of_guardrail(at, file.written.name.span().unwrap_or_default(), message)
            .note(how.clone())
            .help("let root own the file and its directories, and nobody else write them: `chown root:root`, `chmod 0644`");
    }
}
