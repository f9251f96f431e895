//! PC0004 `wrong-type`. The page is `wrong_type.md`; `config` reports it.

use crate::{
    diagnostic::Level,
    lint::{Check, Group, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0004",
    name: "wrong-type",
    group: Group::Syntax,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("wrong_type.md"),
    check: Check::Reading,
};
