//! PC0406 `dual-stack-request`. The page is `dual_stack_request.md`; `policy` reports it.

use crate::{
    diagnostic::Level,
    lint::{Check, Group, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0406",
    name: "dual-stack-request",
    group: Group::Family,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("dual_stack_request.md"),
    check: Check::Reading,
};
