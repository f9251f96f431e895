//! What some clients reach: the answer to `show --from`.

use serde::Serialize;

use super::{Version, entry::group, escape::plain, grid::align};
use crate::{
    address::set::AddressSet,
    exposure::{
        flows::Flows,
        matrix::entrance,
        reach::{Reach, Taken},
    },
};

/// What the clients reach of one listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Access {
    /// The listener.
    pub listener: String,
    /// Where it is entered.
    pub entrance: String,
    /// What is behind it.
    pub upstream: String,
    /// How far they get.
    pub outcome: &'static str,
    /// One flow, if there is one.
    pub flow: Option<String>,
}

/// What no address tells.
const HOST: &str = "clients are on other hosts: a process of this host that takes such an address gets at loopback too";

/// What the clients reach, for every listener.
#[must_use]
pub fn accesses(version: Version<'_>, reach: &Reach, clients: &AddressSet) -> Vec<Access> {
    let listeners = version.policy.listeners.values();
    let access = |taken: &Taken| {
        let part = |flows: &Flows| flows.from(clients);
        let (served, visible) = (part(&taken.served), part(&taken.visible));
        let mut accepted =
            taken.accept.iter().map(|(_, flows)| part(flows)).filter(|flows| !flows.is_empty());
        let all = |flows: &Flows| clients.is_subset(&flows.clients());
        let (outcome, flows) = if all(&served) {
            ("served", served)
        } else if !served.is_empty() {
            ("some served", served)
        } else if !visible.is_empty() {
            ("handshake, then turned away", visible)
        } else if let Some(accepted) = accepted.next() {
            ("reachable only if an assumption fails", accepted)
        } else {
            ("not reachable", Flows::default())
        };
        (outcome, flows.witness().map(|witness| witness.to_string()))
    };
    listeners
        .map(|listener| {
            let (outcome, flow) = access(reach.listener(&listener.id));
            Access {
                listener: listener.id.to_string(),
                entrance: entrance(version.policy, &listener.id),
                upstream: group(Some(version), &listener.action),
                outcome,
                flow,
            }
        })
        .collect()
}

/// The answer in columns.
#[must_use]
pub fn table(clients: &AddressSet, accesses: &[Access]) -> String {
    let mut lines =
        vec![["LISTENER", "ENTRANCE", "UPSTREAM", "OUTCOME", "FLOW"].map(str::to_owned)];
    lines.extend(accesses.iter().map(|access| {
        let flow = access.flow.clone().unwrap_or_default();
        let cells = [&access.listener, &access.entrance, &access.upstream];
        let [listener, entrance, upstream] = cells.map(|cell| plain(cell));
        [listener, entrance, upstream, access.outcome.to_owned(), plain(&flow)]
    }));
    let lines: Vec<_> = lines.into_iter().map(Vec::from).collect();
    format!("from {clients}\n\n{}{HOST}\n", align(&lines))
}
