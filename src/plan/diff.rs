//! What has to happen to the sockets that are open so that a plan comes true. Pure; start is the
//! diff against nothing, stop the diff against an empty plan.

use std::collections::BTreeMap;

use super::{Bind, BindKey, Plan};

/// Doing it to a process that holds `live` yields `plan`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// Sockets that stay as they are.
    pub keep: Vec<BindKey>,
    /// Sockets that stay open and are set to the new specification while live.
    pub update: Vec<Bind>,
    /// Sockets to open.
    pub add: Vec<Add>,
    /// Sockets that no longer belong to the plan.
    pub retire: Vec<Retire>,
}

/// A socket to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Add {
    /// Its specification.
    pub bind: Bind,
    /// Live sockets that overlap it: both sides need SO_REUSEPORT at the moment of the bind.
    pub beside: Vec<BindKey>,
}

/// A socket to retire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retire {
    /// Which.
    pub key: BindKey,
    /// How.
    pub way: Way,
}

/// How a socket leaves so that no handshake is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Nothing of the plan overlaps it: serve its queue, then close.
    Gone,
    /// The kernel prefers the plan's socket: go on accepting for a moment, because handshakes that
    /// began here end here, and serve only what the plan serves. Then close.
    Narrowed,
    /// The kernel prefers this socket to the plan's wider one, so it can never be drained: keep it
    /// open and serve what the plan serves.
    Absorbed,
}

/// Compares the sockets that are open, including those still retiring, with a plan.
#[must_use]
pub fn diff(live: &BTreeMap<BindKey, Bind>, plan: &Plan) -> Delta {
    let open = by_port(live);
    let wanted = by_port(&plan.binds);
    let mut delta = Delta::default();
    for (key, bind) in &plan.binds {
        match live.get(key) {
            Some(before) if before == bind => delta.keep.push(key.clone()),
            Some(_) => delta.update.push(bind.clone()),
            None => {
                let beside = overlapping(&open, key).cloned().collect();
                delta.add.push(Add { bind: bind.clone(), beside });
            }
        }
    }
    for key in live.keys().filter(|key| !plan.binds.contains_key(key)) {
        delta.retire.push(Retire { key: key.clone(), way: way(key, &wanted) });
    }
    delta
}

fn way(key: &BindKey, wanted: &ByPort<'_>) -> Way {
    let mut way = Way::Gone;
    for successor in overlapping(wanted, key) {
        if key.precedence() > successor.precedence() {
            return Way::Absorbed;
        }
        way = Way::Narrowed;
    }
    way
}

/// Keys by port, so that ten thousand listeners do not meet pair by pair. Paths are left out: two
/// different ones never overlap.
type ByPort<'a> = BTreeMap<u16, Vec<&'a BindKey>>;

fn by_port(binds: &BTreeMap<BindKey, Bind>) -> ByPort<'_> {
    let mut index = ByPort::new();
    for key in binds.keys() {
        if let Some(address) = key.socket_addr() {
            index.entry(address.port()).or_default().push(key);
        }
    }
    index
}

fn overlapping<'a, 'i>(
    index: &'i ByPort<'a>,
    key: &'i BindKey,
) -> impl Iterator<Item = &'a BindKey> + use<'a, 'i> {
    let near = key.socket_addr().and_then(|address| index.get(&address.port()));
    near.into_iter().flatten().copied().filter(move |other| other.overlaps(key))
}

#[cfg(test)]
mod tests;
