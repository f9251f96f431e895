//! PC0402 `interface-without-scopes`. The page is `interface_without_scopes.md`; `policy` reports
//! it.

use crate::{
    diagnostic::Level,
    lint::{Check, Group, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0402",
    name: "interface-without-scopes",
    group: Group::Family,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("interface_without_scopes.md"),
    check: Check::Reading,
};
