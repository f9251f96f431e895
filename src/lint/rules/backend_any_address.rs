//! PC0606 `backend-any-address`. The page is `backend_any_address.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Finding, Group, Report, Rule, wrote},
    policy::{Action, BackendAddress},
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
    for upstream in cx.policy.upstreams.values() {
        for (at, backend) in upstream.backends.iter().enumerate() {
            if backend.address.is_unspecified()
                && let Some(span) = wrote::backend(cx.config, &upstream.id, at)
            {
                explain(report.of_file(span, message(&backend.address)));
            }
        }
    }
    // A group without a name stands at the listener that forwards to it.
    for listener in cx.policy.listeners.values() {
        let Action::Forward(id) = &listener.action else { continue };
        let Some(upstream) = cx.policy.upstreams.get(id) else { continue };
        let unnamed = wrote::backend(cx.config, id, 0).is_none();
        for backend in upstream.backends.iter().filter(|_| unnamed) {
            if backend.address.is_unspecified() {
                let span = cx.wrote(&listener.id).forward();
                explain(report.at(&listener.id, span, message(&backend.address)));
            }
        }
    }
}

fn message(address: &BackendAddress) -> String {
    format!("`{address}` is the address of no host")
}

fn explain(finding: Finding<'_>) {
    finding
        .note("Linux takes a connection to the unspecified address for one to loopback")
        .help("write the backend's address, or `127.0.0.1` if it is on this host");
}
