//! PC1104 `yaml-ambiguous`. The page is `yaml_ambiguous.md`; `config` reports it.

use crate::{
    diagnostic::Level,
    lint::{Check, Group, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC1104",
    name: "yaml-ambiguous",
    group: Group::Hygiene,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("yaml_ambiguous.md"),
    check: Check::Reading,
};
