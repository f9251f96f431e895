//! Who can reach what: for every listener what is accepted, visible and served; for every backend
//! who can talk to it.
//!
//! *Accepted* is what the kernel takes, whoever sends it. *Visible* is the part that arrives under
//! the assumptions A1 to A3. *Served* is the part of that whose clients are let in. All three are
//! upper bounds: no firewall and no rule of a backend is looked at.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, LazyLock},
};

use super::{
    Device, Exposure, assumption::Assumption, by_port::ByPort, flows::Flows, local::Local,
    vantage::Senders,
};
use crate::{
    address::{Class, set::AddressSet},
    plan::LOOPBACK_DEVICE,
    policy::{
        Action, BackendAddress, Expose, Family, Listener, ListenerId, Policy, PortRange,
        UpstreamId, claim::Assume,
    },
};

/// The port that a path socket is filed under; it has none.
const NO_PORT: PortRange = PortRange { first: 0, last: 0 };

/// Who can reach what, by listener and by backend.
#[derive(Debug, Default)]
pub struct Reach {
    taken: BTreeMap<ListenerId, Taken>,
    backends: BTreeMap<Target, Flows>,
}

/// The flows that a listener takes.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    /// What the kernel takes, by the interface that it must arrive over.
    ///
    /// In every set a loopback address stands for the processes of this host. No set says what they
    /// reach by taking another of its addresses: see
    /// [`Connection`](super::connection::Connection).
    pub accept: Vec<(Device, Flows)>,
    /// What of it arrives, under the assumptions.
    pub visible: Flows,
    /// What of that is let in.
    pub served: Flows,
    /// What keeps clients away that the kernel and the list of clients would let in; empty where
    /// those two alone make the bound.
    pub rests_on: Vec<Assumption>,
}

/// What answers at the far end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A backend.
    Backend(BackendAddress),
    /// The status page.
    Status,
}

impl Reach {
    /// Of everything in the policy. Without assumptions everything arrives that the kernel takes,
    /// so that only it and the lists of clients keep anybody away.
    #[must_use]
    pub fn of(policy: &Policy, exposure: &Exposure, assume: Assume) -> Self {
        let listeners = policy.listeners.values();
        let taken: BTreeMap<_, _> = listeners
            .map(|listener| (listener.id.clone(), Taken::of(listener, exposure, assume)))
            .collect();
        let mut served: BTreeMap<Target, Vec<&Flows>> = BTreeMap::new();
        for listener in policy.listeners.values() {
            for target in targets(policy, listener) {
                served.entry(target).or_default().push(&taken[&listener.id].served);
            }
        }
        let backends =
            served.into_iter().map(|(target, sets)| (target, Flows::union(sets))).collect();
        Self { taken, backends }
    }

    /// The flows that a listener takes; none of one that does not exist.
    #[must_use]
    pub fn listener(&self, id: &ListenerId) -> &Taken {
        static NOTHING: LazyLock<Taken> = LazyLock::new(Taken::default);
        self.taken.get(id).unwrap_or(&NOTHING)
    }

    /// Every listener with the flows that it takes.
    pub fn listeners(&self) -> impl Iterator<Item = (&ListenerId, &Taken)> {
        self.taken.iter()
    }

    /// Every backend that something leads to.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.backends.keys()
    }

    /// Who can talk to a backend: the flows of every listener that forwards to it.
    #[must_use]
    pub fn backend(&self, target: &Target) -> Cow<'_, Flows> {
        static NOTHING: Flows = Flows::none();
        let own = self.backends.get(target).unwrap_or(&NOTHING);
        match self.aliases(target) {
            aliases if aliases.is_empty() => Cow::Borrowed(own),
            aliases => Cow::Owned(Flows::union(aliases.iter().chain([own]))),
        }
    }

    /// Who can talk to some backend of the group.
    #[must_use]
    pub fn upstream(&self, policy: &Policy, id: &UpstreamId) -> Flows {
        let forwards = |listener: &&Arc<Listener>| listener.action == Action::Forward(id.clone());
        let listeners = policy.listeners.values().filter(forwards);
        Flows::union(listeners.map(|listener| &self.listener(&listener.id).served))
    }

    /// The same backend under its other spelling: `10.0.0.1` on port 80 is `10.0.0.1:80`.
    fn aliases(&self, target: &Target) -> Vec<Flows> {
        match target {
            Target::Backend(BackendAddress::Ip(address)) => {
                let any_port = Target::Backend(BackendAddress::SamePort(address.ip()));
                let flows = self.backends.get(&any_port);
                flows.map(|flows| flows.at(address.port())).into_iter().collect()
            }
            Target::Backend(BackendAddress::SamePort(ip)) => {
                let at = |port| Target::Backend(BackendAddress::Ip(SocketAddr::new(*ip, port)));
                let named = self.backends.range(at(0)..=at(u16::MAX));
                let one = named.filter_map(|(target, flows)| match target {
                    Target::Backend(BackendAddress::Ip(address)) if address.ip() == *ip => {
                        Some(flows.at(address.port()))
                    }
                    _ => None,
                });
                one.collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Taken {
    fn of(listener: &Listener, exposure: &Exposure, assume: Assume) -> Self {
        if let Expose::Unix(unix) = &listener.expose {
            return Self::of_path(Local::Path(unix.path.clone()));
        }
        let mut accept: BTreeMap<Device, Vec<Flows>> = BTreeMap::new();
        let (mut visible, mut served, mut rests_on) = (Vec::new(), Vec::new(), Vec::new());
        for accepted in exposure.listener(&listener.id) {
            for local in Local::of(accepted) {
                let near = Senders::registered().to(local.class(), local.family());
                let senders = senders(&accepted.device, local.class(), accepted.family(), near);
                let near = if assume == Assume::None { senders } else { near };
                let flows = |clients: &Arc<AddressSet>| {
                    let ports = accepted.ports().iter();
                    let ports = ports.map(|ports| (*ports, Arc::clone(clients))).collect();
                    Flows::of(local.clone(), ByPort::of(ports))
                };
                accept.entry(accepted.device.clone()).or_default().push(flows(senders));
                visible.push(flows(near));
                let admitted = listener.admitted(near);
                if admitted != listener.admitted(senders) {
                    rests_on.extend(Assumption::of(&local, &accepted.device));
                }
                served.push(flows(&admitted));
            }
        }
        let accept = accept.into_iter().map(|(device, sets)| (device, Flows::union(&sets)));
        rests_on.sort_unstable();
        rests_on.dedup();
        Self {
            accept: accept.collect(),
            visible: Flows::union(&visible),
            served: Flows::union(&served),
            rests_on,
        }
    }

    /// Every process of the host may try; the mode decides, which is no set of addresses.
    fn of_path(local: Local) -> Self {
        let near = Senders::registered().to(local.class(), None);
        let flows = Flows::of(local, ByPort::of(vec![(NO_PORT, Arc::clone(near))]));
        Self {
            accept: vec![(Device::Unbound, flows.clone())],
            visible: flows.clone(),
            served: flows,
            rests_on: Vec::new(),
        }
    }
}

/// What a listener's connections are joined to.
#[must_use]
pub fn targets(policy: &Policy, listener: &Listener) -> Vec<Target> {
    match &listener.action {
        Action::Status => vec![Target::Status],
        Action::Forward(id) => {
            let backends = policy.upstreams.get(id).map_or(&[][..], |upstream| &upstream.backends);
            let mut targets: Vec<_> =
                backends.iter().map(|backend| Target::Backend(backend.address.clone())).collect();
            targets.sort_unstable();
            targets.dedup();
            targets
        }
    }
}

/// Whose packets the kernel gives to the socket, wherever they come from. One that is tied to `lo`
/// takes from this host only (measured: not even `route_localnet` with a neighbour's crafted route,
/// or with DNAT, gets through).
#[must_use]
pub fn senders<'n>(
    device: &Device,
    class: Class,
    family: Family,
    near: &'n Arc<AddressSet>,
) -> &'n Arc<AddressSet> {
    let is_tied = matches!(device, Device::Named(name) if name == LOOPBACK_DEVICE);
    if class == Class::Host && is_tied {
        near
    } else {
        Senders::registered().to(Class::Any, Some(family))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend(address) => address.fmt(f),
            Self::Status => f.write_str("the status page"),
        }
    }
}
