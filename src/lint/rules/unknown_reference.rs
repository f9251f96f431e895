//! PC0006 `unknown-reference`. The page is `unknown_reference.md`; `policy` reports it.

use crate::{
    diagnostic::Level,
    lint::{Check, Group, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0006",
    name: "unknown-reference",
    group: Group::Syntax,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("unknown_reference.md"),
    check: Check::Reading,
};
