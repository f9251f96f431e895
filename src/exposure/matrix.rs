//! Who reaches which group of backends, as one table.

use std::collections::BTreeMap;

use super::{
    diff::cause::ports,
    flows::Flows,
    reach::Reach,
    vantage::{Extent, Vantage},
};
use crate::{
    address::set::AddressSet,
    policy::{Action, Expose, ListenerId, Policy, UpstreamId},
};

/// One line for every group that something forwards to, in order of name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matrix {
    /// The lines.
    pub rows: Vec<Row>,
}

/// One group of backends, or the status page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The group; none is the status page.
    pub upstream: Option<UpstreamId>,
    /// What forwards to it.
    pub listeners: Vec<ListenerId>,
    /// Where it is entered: `tcp/443`, `unix 0660`.
    pub entrances: Vec<String>,
    /// Who reaches it from each vantage, in the order of [`Vantage::ALL`].
    pub cells: [Extent; 7],
    /// Those who do.
    pub clients: AddressSet,
    /// Whether there are vantages, in the same order, that were closed or smaller before.
    pub grew: [bool; 7],
}

impl Matrix {
    /// The table of a policy.
    #[must_use]
    pub fn of(policy: &Policy, reach: &Reach) -> Self {
        let mut groups: BTreeMap<Option<&UpstreamId>, Vec<&ListenerId>> = BTreeMap::new();
        for listener in policy.listeners.values() {
            let group = match &listener.action {
                Action::Forward(id) => Some(id),
                Action::Status => None,
            };
            groups.entry(group).or_default().push(&listener.id);
        }
        let rows = groups.into_iter().map(|(upstream, listeners)| {
            let served = listeners.iter().map(|id| &reach.listener(id).served);
            let clients = Flows::union(served).clients();
            let mut entrances: Vec<_> = listeners.iter().map(|id| entrance(policy, id)).collect();
            entrances.sort_unstable();
            entrances.dedup();
            Row {
                upstream: upstream.cloned(),
                listeners: listeners.into_iter().cloned().collect(),
                entrances,
                cells: Vantage::ALL.map(|vantage| vantage.extent(&clients)),
                clients,
                grew: [false; 7],
            }
        });
        Self { rows: rows.collect() }
    }

    /// The same, with what grew since the old table marked.
    #[must_use]
    pub fn since(mut self, old: &Self) -> Self {
        for row in &mut self.rows {
            let at = old.rows.binary_search_by(|before| before.upstream.cmp(&row.upstream));
            let before = at.ok().map(|at| &old.rows[at].clients);
            let gained =
                before.map_or_else(|| row.clients.clone(), |had| row.clients.difference(had));
            row.grew = Vantage::ALL.map(|vantage| vantage.extent(&gained) != Extent::None);
        }
        self
    }

    /// Whether anybody outside the six usual vantages reaches anything: else they need no column.
    #[must_use]
    pub fn has_special(&self) -> bool {
        self.rows.iter().any(|row| {
            let [.., public4, public6, special] = row.cells;
            special != Extent::None && public4 == Extent::None && public6 == Extent::None
        })
    }
}

/// Where a listener is entered: `tcp/443`, `unix 0660`.
#[must_use]
pub fn entrance(policy: &Policy, id: &ListenerId) -> String {
    let listener = policy.listeners.get(id);
    match listener.map(|listener| (&listener.expose, ports(&listener.ports))) {
        Some((Expose::Unix(unix), _)) => format!("unix {:04o}", unix.mode),
        Some((Expose::Ip(_), Some(ports))) => format!("tcp/{ports}"),
        _ => String::new(),
    }
}
