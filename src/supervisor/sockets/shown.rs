//! The open sockets as the status page shows them.

use std::collections::BTreeMap;

use super::{Group, Sockets, State};
use crate::policy::ListenerId;

impl Sockets {
    /// Where each listener is bound now, as the status page shows it: every socket that is open,
    /// also what an earlier configuration has left.
    pub(in crate::supervisor) fn addresses(&self) -> BTreeMap<ListenerId, Vec<String>> {
        let mut addresses: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (key, group) in &self.groups {
            let Some(shown) = group.shown() else { continue };
            let mut show = |group: &Group, shown| {
                addresses.entry(group.bind.listener.clone()).or_default().push(shown);
            };
            match group.state {
                State::Planned => show(group, shown),
                State::Narrowed { .. } | State::Absorbed => {
                    self.heirs(key).for_each(|heir| show(heir, shown.clone()));
                }
            }
        }
        addresses
    }
}

impl Group {
    /// Where it is bound; whether it has several sockets, and why it is still open where the plan
    /// does not list it.
    fn shown(&self) -> Option<String> {
        let (_, first) = self.sockets.first()?;
        let mut shown = first.address().to_string();
        let count = self.sockets.len();
        if count > 1 {
            shown.push_str(&format!(", {count} sockets with SO_REUSEPORT"));
        }
        match self.state {
            State::Planned => {}
            State::Narrowed { .. } => shown.push_str(", about to close"),
            State::Absorbed => shown.push_str(", still open"),
        }
        Some(shown)
    }
}
