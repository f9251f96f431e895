//! PC0202 `hostname-bind`. The page is `hostname_bind.md`; `policy` reports it.

use crate::{
    diagnostic::Level,
    lint::{Check, Group, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0202",
    name: "hostname-bind",
    group: Group::Address,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("hostname_bind.md"),
    check: Check::Reading,
};
