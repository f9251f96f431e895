//! PC0007 `missing-key`. The page is `missing_key.md`; `config` or `policy` reports it.

use crate::{
    diagnostic::Level,
    lint::{Check, Group, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0007",
    name: "missing-key",
    group: Group::Syntax,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("missing_key.md"),
    check: Check::Reading,
};
