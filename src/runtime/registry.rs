//! Listeners and backends under one configuration, with the counts that outlive it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    policy::{self, Action, ListenerId, Policy, UpstreamId},
    runtime::{gate::Gate, meter::Meter, upstream::UpstreamState},
    telemetry::Generation,
};

/// Everything sessions look up, for one configuration. Knows nothing of sockets.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// Which configuration it is.
    pub generation: Generation,
    /// Its listeners.
    pub listeners: BTreeMap<ListenerId, Arc<ListenerState>>,
    /// Its groups of backends; listeners that forward to the same share it.
    pub upstreams: BTreeMap<UpstreamId, Arc<UpstreamState>>,
}

/// A listener under one configuration. Sessions keep the one they began with.
#[derive(Debug)]
pub struct ListenerState {
    /// What the policy says.
    pub policy: Arc<policy::Listener>,
    /// Where it forwards to; `None` if it answers itself.
    pub upstream: Option<Arc<UpstreamState>>,
    /// Its sessions. A listener of the same name in the next configuration has the same gate.
    pub gate: Arc<Gate>,
    /// How fast clients enter.
    pub meter: Arc<Meter>,
    /// Which configuration it is of.
    pub generation: Generation,
    /// How long its sessions may finish once it is gone.
    pub drain: Duration,
}

impl Registry {
    /// The registry of the next configuration: new rules, and the counts of what is still there.
    #[must_use]
    pub fn next(&self, policy: &Policy, generation: Generation) -> Self {
        let upstreams: BTreeMap<_, _> = policy
            .upstreams
            .iter()
            .map(|(id, upstream)| {
                let before = self.upstreams.get(id).map(Arc::as_ref);
                (id.clone(), Arc::new(UpstreamState::next(upstream, before)))
            })
            .collect();
        let listeners = policy.listeners.iter().map(|(id, listener)| {
            let before = self.listeners.get(id);
            let state = ListenerState {
                upstream: match &listener.action {
                    Action::Forward(upstream) => Some(Arc::clone(
                        upstreams.get(upstream).expect("every name of a policy resolves"),
                    )),
                    Action::Status => None,
                },
                gate: before.map(|before| before.gate.clone()).unwrap_or_default(),
                meter: Meter::next(&listener.limits, before.map(|before| &before.meter)),
                policy: Arc::clone(listener),
                generation,
                drain: policy.runtime.drain,
            };
            (id.clone(), Arc::new(state))
        });
        Self { generation, listeners: listeners.collect(), upstreams }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::sample::{listener, policy, upstream};

    #[test]
    fn a_listener_that_stays_keeps_its_gate_and_gets_the_new_rules() {
        let upstream = upstream("db", &["127.0.0.1:1"]);
        let old = policy([listener("a"), listener("b")], [upstream.clone()]);
        let first = Registry::default().next(&old, Generation(1));
        let held = first.listeners[&ListenerId::new("a")].gate.place(None);
        let mut changed = listener("a");
        changed.purpose = Some("changed".to_owned());
        let new = policy([changed, listener("c")], [upstream]);
        let second = first.next(&new, Generation(2));
        let a = &second.listeners[&ListenerId::new("a")];
        assert_eq!((a.gate.sessions(), a.generation), (1, Generation(2)));
        assert_eq!(a.policy.purpose.as_deref(), Some("changed"));
        assert_eq!(second.listeners[&ListenerId::new("c")].gate.sessions(), 0);
        assert!(!second.listeners.contains_key(&ListenerId::new("b")));
        drop(held);
        assert_eq!(a.gate.sessions(), 0);
    }
}
