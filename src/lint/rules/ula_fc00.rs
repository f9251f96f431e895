//! PC0205 `ula-fc00`. The page is `ula_fc00.md`.

use std::net::IpAddr;

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule, behind},
    policy::Place,
};

pub(super) static RULE: Rule = Rule {
    code: "PC0205",
    name: "ula-fc00",
    group: Group::Address,
    level: Level::Warn,
    since: "0.1.0",
    page: include_str!("ula_fc00.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for (listener, side) in cx.sides() {
        let is_fc00 = match &side.place {
            Place::Address { address, .. } => is_fc00(*address),
            // The whole of fc00::/7 begins there as well, and is a fair way to say "any of them".
            Place::Subnet { block, .. } => block.prefix_len() >= 8 && is_fc00(block.network()),
            _ => false,
        };
        if is_fc00 {
            let message = format!("`{}` is on an address that nobody could assign", listener.id);
            let finding =
                report.at(&listener.id, cx.wrote(&listener.id).place(side.family), message);
            finding.label("in fc00::/8").note(NOTE).help(HELP);
        }
    }
    for backend in behind::all(cx) {
        let Some(address) = backend.ip() else { continue };
        if is_fc00(address) {
            let message = format!("`{}` is an address that nobody could assign", backend.address);
            backend.report(report, message).label("in fc00::/8").note(NOTE).help(HELP);
        }
    }
}

const NOTE: &str = "fc00::/8 is kept for a registry that was never founded; fd00::/8 is for networks that number themselves (RFC 4193, 3.2)";
const HELP: &str = "number the network from fd00::/8, with forty random bits after the fd";

fn is_fc00(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.octets()[0] == 0xfc)
}
