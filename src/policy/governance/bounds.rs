//! A box: what a grant gives leave for, and what of a flow is outside it.

use std::{collections::BTreeSet, fmt};

use super::Scope;
use crate::{
    address::set::AddressSet,
    policy::{Family, PortRange},
};

/// How many blocks of clients a sentence bears.
const MAX_SHOWN: usize = 3;

/// A box of flows: every flow that has one of each of these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// What may be exposed.
    pub scopes: BTreeSet<Scope>,
    /// Over which families.
    pub families: BTreeSet<Family>,
    /// Whether TCP is in it; otherwise UDP.
    pub is_tcp: bool,
    /// On which ports: sorted, disjoint, not adjacent.
    pub ports: Vec<PortRange>,
    /// To which clients.
    pub clients: AddressSet,
    /// To which backends; `None` is any.
    pub upstreams: Option<BTreeSet<String>>,
}

/// What a listener exposes in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// What is exposed.
    pub scope: Scope,
    /// The backend, as the listener writes it.
    pub upstream: String,
    /// How it is reached; `None` over a path.
    pub net: Option<Net>,
}

/// The part of a flow that only IP has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Net {
    /// The family.
    pub family: Family,
    /// The ports.
    pub ports: PortRange,
    /// Who is served.
    pub clients: AddressSet,
}

/// What of a flow is outside a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Excess {
    /// The signature names another grant.
    Named(String),
    /// It is for another listener.
    Listener(String),
    /// This is exposed.
    Scope(Scope),
    /// This family.
    Family(Family),
    /// TCP, and the box is for UDP.
    Protocol,
    /// These ports.
    Ports(PortRange),
    /// These clients.
    Clients(AddressSet),
    /// This backend.
    Upstream(String),
}

impl Bounds {
    /// What of the flow is outside; nothing when the box holds all of it.
    #[must_use]
    pub fn excess(&self, flow: &Flow) -> Vec<Excess> {
        let mut excess = Vec::new();
        if !flow.scope.is_in(&self.scopes) {
            excess.push(Excess::Scope(flow.scope));
        }
        if let Some(net) = &flow.net {
            if !self.families.contains(&net.family) {
                excess.push(Excess::Family(net.family));
            }
            if !self.is_tcp {
                excess.push(Excess::Protocol);
            }
            if !self.has_ports(net.ports) {
                excess.push(Excess::Ports(net.ports));
            }
            let strangers = net.clients.difference(&self.clients);
            if !strangers.is_empty() {
                excess.push(Excess::Clients(strangers));
            }
        }
        if self.upstreams.as_ref().is_some_and(|known| !known.contains(&flow.upstream)) {
            excess.push(Excess::Upstream(flow.upstream.clone()));
        }
        excess
    }

    /// Whether some flow is in both boxes.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let any = |scopes: &BTreeSet<Scope>| scopes.contains(&Scope::Any);
        let one_of = |ours: &Self, theirs: &Self| {
            ours.scopes.iter().any(|scope| scope.is_in(&theirs.scopes))
                || any(&ours.scopes) && any(&theirs.scopes)
        };
        let is_path = |bounds: &Self| bounds.scopes.contains(&Scope::Unix);
        let upstreams = match (&self.upstreams, &other.upstreams) {
            (Some(ours), Some(theirs)) => !ours.is_disjoint(theirs),
            _ => true,
        };
        let net = (one_of(self, other) || one_of(other, self))
            && !self.families.is_disjoint(&other.families)
            && self.is_tcp == other.is_tcp
            && self.ports.iter().any(|ours| {
                other
                    .ports
                    .iter()
                    .any(|theirs| ours.first <= theirs.last && theirs.first <= ours.last)
            })
            && !self.clients.intersection(&other.clients).is_empty();
        upstreams && (net || is_path(self) && is_path(other))
    }

    fn has_ports(&self, wanted: PortRange) -> bool {
        self.ports.iter().any(|had| had.first <= wanted.first && wanted.last <= had.last)
    }
}

/// The first blocks of a set, and how many there are besides.
#[derive(Debug)]
pub struct Few<'a>(pub &'a AddressSet);

impl fmt::Display for Few<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blocks = self.0.blocks();
        for (at, block) in blocks.by_ref().take(MAX_SHOWN).enumerate() {
            write!(f, "{}{block}", if at == 0 { "" } else { ", " })?;
        }
        match blocks.count() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => write!(f, "the `allow`, which names grant `{name}`"),
            Self::Listener(name) => write!(f, "listener `{name}`"),
            Self::Scope(scope) => write!(f, "class `{scope}`"),
            Self::Family(family) => family.fmt(f),
            Self::Protocol => f.write_str("protocol tcp"),
            Self::Ports(ports) => match ports {
                PortRange { first, last } if first == last => write!(f, "port {first}"),
                PortRange { first, last } => write!(f, "ports {first}-{last}"),
            },
            Self::Clients(clients) => write!(f, "clients {}", Few(clients)),
            Self::Upstream(name) => write!(f, "upstream `{name}`"),
        }
    }
}
