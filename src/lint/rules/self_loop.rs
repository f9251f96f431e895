//! PC0701 `self-loop`. The page is `self_loop.md`.

use std::{collections::BTreeMap, path::Path};

use crate::{
    diagnostic::Level,
    exposure::{Accept, Answer, taker::Takers},
    lint::{Check, Context, Group, Report, Rule, wrote},
    policy::{Action, BackendAddress, Expose, Listener, ListenerId, PortRange},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0701",
    name: "self-loop",
    group: Group::Loop,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("self_loop.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    let takers = Takers::new(cx.exposure, cx.host.map(|host| host.facts));
    let sockets = cx.policy.listeners.values().filter_map(|listener| match &listener.expose {
        Expose::Unix(unix) => Some((&*unix.path, &listener.id)),
        Expose::Ip(_) => None,
    });
    let sockets: BTreeMap<&Path, &ListenerId> = sockets.collect();
    let mut known: BTreeMap<&BackendAddress, Option<(&ListenerId, Answer)>> = BTreeMap::new();
    for listener in cx.policy.listeners.values() {
        let Action::Forward(upstream) = &listener.action else { continue };
        let Some(group) = cx.policy.upstreams.get(upstream) else { continue };
        for (at, backend) in group.backends.iter().enumerate() {
            let find = || taker(listener, &backend.address, &takers, &sockets);
            let found = match &backend.address {
                BackendAddress::SamePort(_) => find(),
                // The same for every listener: thousands may share a group of hundreds.
                address => *known.entry(address).or_insert_with(find),
            };
            let Some((taker, answer)) = found else { continue };
            if answer != Answer::Yes {
                let question =
                    format!("whether {} is its own, where `{taker}` listens", backend.address);
                report.only_the_host_knows(&listener.id, question);
                continue;
            }
            let message = if *taker == listener.id {
                format!("`{taker}` forwards to itself")
            } else {
                format!("`{}` forwards to `{taker}`, a listener of this file", listener.id)
            };
            let wrote = cx.wrote(&listener.id);
            let span = wrote::backend(cx.config, upstream, at).unwrap_or_else(|| wrote.forward());
            report
                .at(&listener.id, span, message)
                .label(format!("{} is where `{taker}` listens", backend.address))
                .related(cx.wrote(taker).expose(), format!("`{taker}` is exposed here"))
                .help("write the address of the backend itself");
        }
    }
}

/// The listener that a connection to the backend comes to.
fn taker<'a>(
    listener: &Listener,
    backend: &BackendAddress,
    takers: &Takers<'a>,
    sockets: &BTreeMap<&'a Path, &'a ListenerId>,
) -> Option<(&'a ListenerId, Answer)> {
    let of = |(accept, answer): (&'a Accept, Answer)| (&accept.listener.id, answer);
    match backend {
        // The unspecified address is a finding of its own.
        address if address.is_unspecified() => None,
        BackendAddress::Ip(address) => {
            let ports = PortRange { first: address.port(), last: address.port() };
            takers.taker(address.ip(), ports).map(of)
        }
        BackendAddress::SamePort(address) => {
            let taken = listener.ports.iter().filter_map(|ports| takers.taker(*address, *ports));
            taken.max_by_key(|(_, answer)| *answer).map(of)
        }
        BackendAddress::Unix(path) => sockets.get(path.as_path()).map(|id| (*id, Answer::Yes)),
    }
}
