//! PC0003 `duplicate-key`. The page is `duplicate_key.md`; `config` reports it.

use crate::{
    diagnostic::Level,
    lint::{Check, Group, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0003",
    name: "duplicate-key",
    group: Group::Syntax,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("duplicate_key.md"),
    check: Check::Reading,
};
