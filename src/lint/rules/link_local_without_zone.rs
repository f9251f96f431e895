//! PC0210 `link-local-without-zone`. The page is `link_local_without_zone.md`; `policy` reports it.

use crate::{
    diagnostic::Level,
    lint::{Check, Group, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0210",
    name: "link-local-without-zone",
    group: Group::Address,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("link_local_without_zone.md"),
    check: Check::Reading,
};
