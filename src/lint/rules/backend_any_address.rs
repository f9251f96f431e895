//! PC0606 `backend-any-address`. The page is `backend_any_address.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule, behind},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0606",
    name: "backend-any-address",
    group: Group::Backend,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("backend_any_address.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for backend in behind::all(cx) {
        if backend.address.is_unspecified() {
            backend
                .report(report, format!("`{}` is the address of no host", backend.address))
                .note("Linux takes a connection to the unspecified address for one to loopback")
                .help("write the backend's address, or `127.0.0.1` if it is on this host");
        }
    }
}
