//! PC0009 `not-supported-yet`. The page is `not_supported_yet.md`; `config` or `policy` reports it.

use crate::{
    diagnostic::Level,
    lint::{Check, Group, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0009",
    name: "not-supported-yet",
    group: Group::Syntax,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("not_supported_yet.md"),
    check: Check::Reading,
};
