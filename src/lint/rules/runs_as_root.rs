//! PC0901 `runs-as-root`. The page is `runs_as_root.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0901",
    name: "runs-as-root",
    group: Group::Host,
    level: Level::Forbid,
    since: "0.1.0",
    page: include_str!("runs_as_root.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    let wrote = cx.config.runtime.get();
    match &cx.policy.runtime.account {
        // One that cannot be read has a finding of its own.
        None if serves_as_root(cx) && wrote.is_none_or(|runtime| runtime.user.span().is_none()) => {
            let span = cx.config.runtime.span().unwrap_or_default();
            report
                .of_file(span, "the service is started as root, and the file names nobody to serve")
                .note("whoever takes over a process of root has the host")
                .help("name a user of its own: `runtime: { user: portcullis }`")
                .help("or let the service manager start it as one, with CAP_NET_BIND_SERVICE for ports below 1024")
                .help("if root is meant: `runtime: { user: root }`");
        }
        // It is said in the file, and meant unless somebody else has a say in it.
        Some(account) if (is_root(&account.user) || serves_as_root(cx)) && is_governed(cx) => {
            let span = wrote.and_then(|runtime| runtime.user.span()).unwrap_or_default();
            report
                .of_file(span, "the service is to serve as root")
                .level(Level::Info)
                .note("a guardrail sets the level of this rule")
                .help("name a user of its own: `user: portcullis`");
        }
        _ => {}
    }
}

fn serves_as_root(cx: &Context<'_>) -> bool {
    cx.host.is_some_and(|host| host.facts.serves_as_root)
}

fn is_root(user: &str) -> bool {
    user == "root" || user.parse() == Ok(0)
}

/// Whether a guardrail sets the level of this rule.
fn is_governed(cx: &Context<'_>) -> bool {
    cx.guardrails.iter().any(|file| file.meaning.levels.contains_key(RULE.code))
}
