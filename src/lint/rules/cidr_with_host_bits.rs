//! PC0212 `cidr-with-host-bits`. The page is `cidr_with_host_bits.md`; `policy` reports it.

use crate::{
    diagnostic::Level,
    lint::{Check, Group, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0212",
    name: "cidr-with-host-bits",
    group: Group::Address,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("cidr_with_host_bits.md"),
    check: Check::Reading,
};
