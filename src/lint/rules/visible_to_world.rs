//! PC0109 `visible-to-world`. The page is `visible_to_world.md`.

use crate::{
    address::set::AddressSet,
    diagnostic::Level,
    lint::{
        Check, Context, Group, Report, Rule,
        served::{covers_everyone, few, is_public, public_clients},
        signature,
    },
    policy::{Expose, Family, Listener, PortRange, Side},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0109",
    name: "visible-to-world",
    group: Group::Exposure,
    level: Level::Warn,
    since: "0.1.0",
    page: include_str!("visible_to_world.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for listener in cx.policy.listeners.values() {
        let (Some(clients), Expose::Ip(sides)) = (&listener.clients, &listener.expose) else {
            continue;
        };
        let is_seen = |family| is_public_side(sides, family) && !covers_everyone(clients, family);
        let Some(family) = [Family::V4, Family::V6].into_iter().find(|family| is_seen(*family))
        else {
            continue;
        };
        // While nobody has signed for the exposure, that is what there is to say of it.
        if !signature::is_signed(cx, listener) {
            continue;
        }
        let wrote = cx.wrote(&listener.id);
        let message = format!("`{}` serves a few, and is visible to all", listener.id);
        let finding = report
            .at(&listener.id, wrote.side(family), message)
            .related(wrote.clients(), "only these are served")
            .note("the list is asked after the kernel has accepted: a scan finds the port open, and a flood of connections arrives");
        if public_clients(clients, family).is_empty() {
            finding.help("no client is public: name the address that they connect to, such as `expose: { private: { subnet: 10.20.0.0/16 } }`, which is tied to its interface");
        } else {
            finding.help(format!(
                "let the firewall refuse the rest: `{}`",
                drop_rule(listener, clients, family)
            ));
        }
    }
}

fn is_public_side(sides: &[Side], family: Family) -> bool {
    sides.iter().any(|side| side.family == family && is_public(side))
}

/// The same list for nftables.
fn drop_rule(listener: &Listener, clients: &AddressSet, family: Family) -> String {
    let (protocol, of_family) = match family {
        Family::V4 => {
            ("ip", AddressSet::of_blocks(clients.blocks().filter(|block| block.addr().is_ipv4())))
        }
        Family::V6 => {
            ("ip6", AddressSet::of_blocks(clients.blocks().filter(|block| block.addr().is_ipv6())))
        }
    };
    let ports: Vec<_> = listener.ports.iter().map(ports).collect();
    format!(
        "nft add rule inet filter input tcp dport {{ {} }} {protocol} saddr != {{ {} }} drop",
        ports.join(", "),
        few(&of_family)
    )
}

fn ports(range: &PortRange) -> String {
    match range {
        PortRange { first, last } if first == last => first.to_string(),
        PortRange { first, last } => format!("{first}-{last}"),
    }
}
