//! PC1103 `unfulfilled-expect`. The page is `unfulfilled_expect.md`; `lint::expectation` reports
//! it.

use crate::{
    diagnostic::Level,
    lint::{Check, Group, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC1103",
    name: "unfulfilled-expect",
    group: Group::Governance,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("unfulfilled_expect.md"),
    check: Check::Settling,
};
