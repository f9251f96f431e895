//! PC1108 `purpose-missing`. The page is `purpose_missing.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule},
    policy::{Expose, Place},
};

pub(super) static RULE: Rule = Rule {
    code: "PC1108",
    name: "purpose-missing",
    group: Group::Hygiene,
    level: Level::Warn,
    since: "0.1.0",
    page: include_str!("purpose_missing.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for listener in cx.policy.listeners.values() {
        let Expose::Ip(sides) = &listener.expose else { continue };
        let is_loopback = sides.iter().all(|side| side.place == Place::Loopback);
        if !is_loopback && listener.purpose.is_none() {
            report
                .at(
                    &listener.id,
                    cx.wrote(&listener.id).name(),
                    format!("`{}` does not say what it is for", listener.id),
                )
                .help("add `purpose`, in a few words for whoever reviews this exposure");
        }
    }
}
