//! Whether a claim holds: decided over whole sets of addresses, with one flow to show where it does
//! not.

use std::{collections::BTreeSet, net::IpAddr};

use super::{Accept, Destination, Exposure, leave, sensitive};
use crate::{
    address::{Class, set::AddressSet},
    policy::{
        Action, Backend, BackendAddress, Expose, Family, Listener, ListenerId, Place, Policy,
        PortRange,
        claim::{Claim, Outcome, Target},
        governance::{Guardrail, Scope},
    },
};

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// It holds.
    Holds,
    /// It does not, and this shows it.
    Fails(Counterexample),
    /// Only the host can tell, for the sake of this listener.
    Unknown(ListenerId),
    /// It speaks of no client.
    NoSource,
    /// It speaks of a group of sensitive services that there is not.
    NoGroup,
    /// Nothing leads to what it speaks of.
    NoTarget,
}

/// A client that is served, or visible, or not served, against a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counterexample {
    /// The client.
    pub client: IpAddr,
    /// The listener that decides; none leads to the target where there is none.
    pub listener: ListenerId,
    /// The side of it, where it is reached over IP.
    pub family: Option<Family>,
    /// Where the client connects to, where that is one address.
    pub address: Option<IpAddr>,
    /// The lowest port, where there are ports.
    pub port: Option<u16>,
}

/// Decides a claim, in the eyes of a guardrail if it is one of its own.
#[must_use]
pub fn decide(
    claim: &Claim,
    policy: &Policy,
    exposure: &Exposure,
    guardrail: Option<&Guardrail>,
) -> Proof {
    let registered = Guardrail::default();
    let ways = Ways {
        exposure,
        guardrail: guardrail.unwrap_or(&registered),
        listeners: leading(policy, &claim.to),
    };
    match claim.outcome {
        _ if is_unknown_group(&claim.to) => Proof::NoGroup,
        _ if claim.from.is_empty() => Proof::NoSource,
        _ if ways.listeners.is_empty() => Proof::NoTarget,
        Outcome::Served => ways.all_served(&claim.from),
        Outcome::Unreachable => ways.none(&claim.from, leave::served),
        Outcome::Invisible => ways.none(&claim.from, |_, family, scope, guardrail| {
            leave::arriving(family, scope, guardrail)
        }),
    }
}

/// The ways that lead to a target.
struct Ways<'a> {
    exposure: &'a Exposure,
    guardrail: &'a Guardrail,
    listeners: Vec<&'a Listener>,
}

/// Some clients of a listener at one of its sides.
type Clients = fn(&Listener, Family, Scope, &Guardrail) -> AddressSet;

impl Ways<'_> {
    /// Whether nobody of `from` is among the clients of any listener.
    fn none(&self, from: &AddressSet, clients: Clients) -> Proof {
        let mut unknown = None;
        for listener in &self.listeners {
            if let Expose::Unix(_) = listener.expose {
                // Who may use a path is a matter of permissions, but he is on this host.
                let hosts = self.guardrail.addresses_of(Class::Host).intersection(from);
                if let Some(client) = example(&hosts) {
                    return Proof::Fails(over_path(listener, client));
                }
            }
            for accept in self.exposure.listener(&listener.id) {
                let scopes = leave::scopes(accept, self.guardrail);
                let is_certain = is_certain(accept, &scopes);
                for scope in scopes {
                    let met = clients(listener, accept.family(), scope, self.guardrail);
                    match example(&met.intersection(from)) {
                        Some(client) if is_certain => return Proof::Fails(over(accept, client)),
                        Some(_) => unknown = unknown.or_else(|| Some(listener.id.clone())),
                        None => {}
                    }
                }
            }
        }
        unknown.map_or(Proof::Holds, Proof::Unknown)
    }

    /// Whether everybody of `from` is served by some listener.
    fn all_served(&self, from: &AddressSet) -> Proof {
        let (mut certain, mut possible) = (AddressSet::default(), AddressSet::default());
        let mut unknown = None;
        for listener in &self.listeners {
            for accept in self.exposure.listener(&listener.id) {
                let scopes = leave::scopes(accept, self.guardrail);
                let is_certain = is_certain(accept, &scopes);
                for scope in scopes {
                    let met = leave::served(listener, accept.family(), scope, self.guardrail);
                    possible = possible.union(&met);
                    if is_certain {
                        certain = certain.union(&met);
                    } else {
                        unknown = unknown.or_else(|| Some(listener.id.clone()));
                    }
                }
            }
        }
        if from.is_subset(&certain) {
            return Proof::Holds;
        }
        let turned_away = from.difference(&possible);
        match (example(&turned_away), unknown, self.listeners.first()) {
            (Some(client), _, Some(listener)) => {
                let accepts = self.exposure.listener(&listener.id).iter();
                let of_family =
                    |accept: &&Accept| (accept.family() == Family::V4) == client.is_ipv4();
                let side = accepts.clone().find(of_family);
                Proof::Fails(
                    side.map_or_else(|| over_path(listener, client), |one| over(one, client)),
                )
            }
            (_, Some(listener), _) => Proof::Unknown(listener),
            _ => Proof::Holds,
        }
    }
}

/// Whether an accept is there on every host, and of one scope. A block or class that the host has
/// no address of is refused; an interface may have none, and is passed over.
fn is_certain(accept: &Accept, scopes: &[Scope]) -> bool {
    let is_fixed = !matches!(accept.destination, Destination::Within(_));
    is_fixed || scopes.len() == 1 && !matches!(accept.side.place, Place::Interface { .. })
}

fn over(accept: &Accept, client: IpAddr) -> Counterexample {
    let address = match accept.destination {
        Destination::One(address) => Some(address),
        Destination::Open | Destination::Within(_) => None,
    };
    Counterexample {
        client,
        listener: accept.listener.id.clone(),
        family: Some(accept.family()),
        address,
        port: accept.ports().first().map(|ports| ports.first),
    }
}

fn over_path(listener: &Listener, client: IpAddr) -> Counterexample {
    let (listener, port) = (listener.id.clone(), listener.ports.first().map(|ports| ports.first));
    Counterexample { client, listener, family: None, address: None, port }
}

/// The listeners that lead to a target.
fn leading<'a>(policy: &'a Policy, target: &Target) -> Vec<&'a Listener> {
    let leads = |listener: &Listener| match target {
        Target::Listener(id) => listener.id == *id,
        Target::Upstream(id) => listener.action == Action::Forward(id.clone()),
        Target::Group(group) => backends(policy, listener)
            .iter()
            .any(|backend| is_of_group(&backend.address, listener, group)),
        Target::Address(endpoint) => {
            backends(policy, listener).iter().any(|backend| match backend.address {
                BackendAddress::Ip(address) => {
                    address.ip() == endpoint.ip
                        && endpoint.port.is_none_or(|port| port == address.port())
                }
                BackendAddress::SamePort(ip) => {
                    ip == endpoint.ip && endpoint.port.is_none_or(|port| has_port(listener, port))
                }
                BackendAddress::Unix(_) => false,
            })
        }
    };
    policy.listeners.values().map(|one| &**one).filter(|one| leads(one)).collect()
}

/// The groups of sensitive services that a claim can speak of.
#[must_use]
pub fn groups() -> BTreeSet<&'static str> {
    sensitive::services().map(|service| service.group).collect()
}

fn is_unknown_group(target: &Target) -> bool {
    matches!(target, Target::Group(group) if !groups().contains(group.as_str()))
}

/// Whether a service of the group is where the backend is; one without a port has the listener's.
fn is_of_group(address: &BackendAddress, listener: &Listener, group: &str) -> bool {
    let on_ports =
        |ports: &[PortRange]| sensitive::on_ports(ports).any(|(service, _)| service.group == group);
    match address {
        BackendAddress::Ip(ip) => on_ports(&[PortRange { first: ip.port(), last: ip.port() }]),
        BackendAddress::SamePort(_) => on_ports(&listener.ports),
        BackendAddress::Unix(path) => {
            sensitive::on_socket(path).is_some_and(|service| service.group == group)
        }
    }
}

fn backends<'a>(policy: &'a Policy, listener: &Listener) -> &'a [Backend] {
    let Action::Forward(upstream) = &listener.action else { return &[] };
    policy.upstreams.get(upstream).map_or(&[], |upstream| &upstream.backends)
}

fn has_port(listener: &Listener, port: u16) -> bool {
    listener.ports.iter().any(|range| (range.first..=range.last).contains(&port))
}

/// One address of a set, not that of its network.
fn example(set: &AddressSet) -> Option<IpAddr> {
    let block = set.blocks().next()?;
    Some(block.hosts().next().unwrap_or_else(|| block.addr()))
}
