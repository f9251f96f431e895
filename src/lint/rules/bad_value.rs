//! PC0005 `bad-value`. The page is `bad_value.md`; `config` or `policy` reports it.

use crate::{
    diagnostic::Level,
    lint::{Check, Group, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0005",
    name: "bad-value",
    group: Group::Syntax,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("bad_value.md"),
    check: Check::Reading,
};
