//! PC0403 `v6-wider-than-v4`. The page is `v6_wider_than_v4.md`.

use crate::{
    address::Class,
    diagnostic::Level,
    exposure::asserted,
    lint::{Check, Context, Group, Report, Rule},
    policy::{Expose, Family, Side},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0403",
    name: "v6-wider-than-v4",
    group: Group::Family,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("v6_wider_than_v4.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for listener in cx.policy.listeners.values() {
        let Expose::Ip(sides) = &listener.expose else { continue };
        let (Some(v4), Some(v6)) = (widest(sides, Family::V4), widest(sides, Family::V6)) else {
            continue;
        };
        if !is_wide(v6) || is_wide(v4) {
            continue;
        }
        let wrote = cx.wrote(&listener.id);
        let message = format!("`{}` is {v4} over IPv4 and {v6} over IPv6", listener.id);
        let finding = report.at(&listener.id, wrote.side(Family::V6), message);
        // The interface form has one place for both.
        let finding = if wrote.side(Family::V4) == wrote.side(Family::V6) {
            finding
        } else {
            finding.related(wrote.side(Family::V4), format!("{v4} over IPv4"))
        };
        finding
            .help("write `none` or a private address for IPv6")
            .help("if IPv6 is meant to be public, give it a listener of its own, whose name and purpose say so");
    }
}

fn widest(sides: &[Side], family: Family) -> Option<Class> {
    let of_family = sides.iter().filter(|side| side.family == family);
    of_family.flat_map(|side| asserted(&side.place)).max()
}

fn is_wide(class: Class) -> bool {
    class >= Class::Public
}
