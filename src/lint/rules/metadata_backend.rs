//! PC0603 `metadata-backend`. The page is `metadata_backend.md`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule, behind, transition},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0603",
    name: "metadata-backend",
    group: Group::Backend,
    level: Level::Forbid,
    since: "0.1.0",
    page: include_str!("metadata_backend.md"),
    check: Check::Lint(check),
};

/// Where clouds hand an instance its credentials, to whoever asks from it.
const METADATA: [(IpAddr, &str); 4] = [
    (IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), "the instance metadata of most clouds"),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)), "the credentials of an AWS container"),
    (IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)), "the instance metadata of Alibaba Cloud"),
    (
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
        "the instance metadata of AWS over IPv6",
    ),
];

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for backend in behind::all(cx) {
        let Some(address) = backend.ip() else { continue };
        let Some(what) = metadata(address) else { continue };
        backend
            .report(report, format!("`{}` hands out this host's credentials", backend.address))
            .label(what)
            .note("the service knows its clients by where they connect from, and that would be this host for everyone")
            .help("let the program that needs credentials ask for them on the host where it runs");
    }
}

/// What answers there, also where the address is wrapped into IPv6.
pub(super) fn metadata(address: IpAddr) -> Option<&'static str> {
    let address = transition::embedded(address).map_or(address, |(_, inner)| inner.into());
    METADATA.iter().find(|(known, _)| *known == address).map(|(_, what)| *what)
}
