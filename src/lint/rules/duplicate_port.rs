//! PC0307 `duplicate-port`. The page is `duplicate_port.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule, meetings},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0307",
    name: "duplicate-port",
    group: Group::Port,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("duplicate_port.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for meeting in meetings::of(cx) {
        let (ours, theirs) = (&meeting.ours, &meeting.theirs);
        let (wrote, other) = (cx.wrote(ours), cx.wrote(theirs));
        match meeting.port {
            Some(port) if !meeting.is_certain => {
                if cx.host.is_none() {
                    let question =
                        format!("whether it shares an address with `{theirs}` on port {port}");
                    report.only_the_host_knows(ours, question);
                }
            }
            Some(port) if meeting.is_duplicate => {
                let message =
                    format!("`{ours}` and `{theirs}` are the same address and port {port}");
                report
                    .at(ours, wrote.port(port), message)
                    .related(other.port(port), format!("`{theirs}` asks for it here"))
                    .help("give one of them another port or another address");
            }
            Some(_) => {}
            None => {
                report
                    .at(ours, wrote.path(), format!("`{ours}` and `{theirs}` are the same socket"))
                    .related(other.path(), format!("`{theirs}` asks for it here"))
                    .help("give one of them another path");
            }
        }
    }
}
