//! PC0301 `privileged-port`. The page is `privileged_port.md`.

use crate::{
    diagnostic::Level,
    facts::DEFAULT_UNPRIVILEGED_PORT_START,
    lint::{Check, Context, Group, Report, Rule},
    policy::{Listener, PortRange},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0301",
    name: "privileged-port",
    group: Group::Port,
    level: Level::Warn,
    since: "0.1.0",
    page: include_str!("privileged_port.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    // A socket that is passed in is bound already.
    let bound_here = |listener: &&std::sync::Arc<Listener>| listener.inherited.is_none();
    for listener in cx.policy.listeners.values().filter(bound_here) {
        let Some(host) = cx.host else {
            if let Some(port) =
                lowest(listener).filter(|port| *port < DEFAULT_UNPRIVILEGED_PORT_START)
            {
                let question = format!("whether this process may bind port {port}");
                report.only_the_host_knows(&listener.id, question);
            }
            continue;
        };
        let start = host.facts.unprivileged_port_start;
        let below = lowest(listener).filter(|port| *port < start);
        let Some(port) = below.filter(|_| !host.facts.may_bind_privileged) else { continue };
        let message =
            format!("port {port} of `{}` needs a privilege this process lacks", listener.id);
        report
            .at(&listener.id, cx.wrote(&listener.id).port(port), message)
            .note(format!(
                "this host reserves ports below {start} (net.ipv4.ip_unprivileged_port_start)"
            ))
            .help(
                "give the service CAP_NET_BIND_SERVICE: `AmbientCapabilities=CAP_NET_BIND_SERVICE`",
            )
            .help("or start it as root, with a user to serve: `runtime: { user: portcullis }`")
            .help(format!(
                "or lower the bound: `sysctl net.ipv4.ip_unprivileged_port_start={port}`"
            ));
    }
}

/// The lowest port; port 0 needs no privilege.
fn lowest(listener: &Listener) -> Option<u16> {
    let above_zero = |range: &PortRange| (range.last > 0).then(|| range.first.max(1));
    listener.ports.iter().filter_map(above_zero).min()
}
