//! PC0204 `ambiguous-ipv4`. The page is `ambiguous_ipv4.md`; `policy` reports it.

use crate::{
    diagnostic::Level,
    lint::{Check, Group, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0204",
    name: "ambiguous-ipv4",
    group: Group::Address,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("ambiguous_ipv4.md"),
    check: Check::Reading,
};
