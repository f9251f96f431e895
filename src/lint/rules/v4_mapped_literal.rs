//! PC0203 `v4-mapped-literal`. The page is `v4_mapped_literal.md`; `policy` reports it.

use crate::{
    diagnostic::Level,
    lint::{Check, Group, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0203",
    name: "v4-mapped-literal",
    group: Group::Address,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("v4_mapped_literal.md"),
    check: Check::Reading,
};
