//! PC0111 `shadow-listener`. The page is `shadow_listener.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule, meetings},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0111",
    name: "shadow-listener",
    group: Group::Exposure,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("shadow_listener.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for meeting in meetings::of(cx) {
        if meeting.is_duplicate || !meeting.is_certain {
            continue;
        }
        let Some(port) = meeting.port else { continue };
        let (ours, theirs) = (&meeting.ours, &meeting.theirs);
        let message = format!("`{ours}` and `{theirs}` both take connections to port {port}");
        report
            .at(ours, cx.wrote(ours).port(port), message)
            .related(cx.wrote(theirs).port(port), format!("`{theirs}` asks for it here"))
            .note("one of them listens on every address, and so on the other's address as well")
            .help("give one of them another port, or name the addresses that `any` is to mean");
    }
}
