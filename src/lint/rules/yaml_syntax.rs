//! PC0001 `yaml-syntax`. The page is `yaml_syntax.md`; `config` reports it.

use crate::{
    diagnostic::Level,
    lint::{Check, Group, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0001",
    name: "yaml-syntax",
    group: Group::Syntax,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("yaml_syntax.md"),
    check: Check::Reading,
};
