//! PC0002 `unknown-key`. The page is `unknown_key.md`; `config` reports it.

use crate::{
    diagnostic::Level,
    lint::{Check, Group, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0002",
    name: "unknown-key",
    group: Group::Syntax,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("unknown_key.md"),
    check: Check::Reading,
};
