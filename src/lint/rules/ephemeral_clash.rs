//! PC0303 `ephemeral-clash`. The page is `ephemeral_clash.md`.

use crate::{
    diagnostic::Level,
    facts::DEFAULT_EPHEMERAL_PORTS,
    lint::{Check, Context, Group, Report, Rule},
    policy::PortRange,
};

pub(super) static RULE: Rule = Rule {
    code: "PC0303",
    name: "ephemeral-clash",
    group: Group::Port,
    level: Level::Warn,
    since: "0.1.0",
    page: include_str!("ephemeral_clash.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    let range = cx.host.map_or(DEFAULT_EPHEMERAL_PORTS, |host| host.facts.ephemeral_ports);
    let reserved = cx.host.map_or(&[][..], |host| &host.facts.reserved_ports);
    for listener in cx.policy.listeners.values() {
        let clash = listener.ports.iter().find_map(|ports| clash(*ports, range, reserved));
        let Some(PortRange { first, last }) = clash else { continue };
        let ports =
            if first == last { format!("port {first}") } else { format!("ports {first}-{last}") };
        let message =
            format!("{ports} of `{}` may be taken by an outgoing connection", listener.id);
        let (low, high) = range;
        let whose = if cx.host.is_some() { "this host" } else { "Linux by default" };
        let reserve = if first == last { first.to_string() } else { format!("{first}-{last}") };
        report
            .at(&listener.id, cx.wrote(&listener.id).port(first), message)
            .note(format!("{whose} gives outgoing connections the ports {low} to {high}"))
            .help(format!("reserve it: `sysctl net.ipv4.ip_local_reserved_ports={reserve}`"))
            .help(format!("or use a port outside {low}-{high}"));
    }
}

/// The ports from the first that clashes on, as far as they go without a gap.
fn clash(ports: PortRange, (low, high): (u16, u16), reserved: &[(u16, u16)]) -> Option<PortRange> {
    let is_reserved =
        |port: u16| reserved.iter().any(|(first, last)| (*first..=*last).contains(&port));
    let mut common = ports.first.max(low)..=ports.last.min(high);
    let first = common.by_ref().find(|port| !is_reserved(*port))?;
    let last = common.take_while(|port| !is_reserved(*port)).last().unwrap_or(first);
    Some(PortRange { first, last })
}
