//! Whether a claim holds: decided over whole sets of addresses, with one flow to show where it does
//! not.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use super::{
    Accept, Destination, Exposure,
    connection::{Origin, Sources},
    leave,
    reach::senders,
    sensitive,
    vantage::Senders,
};
use crate::{
    address::{Class, set::AddressSet},
    policy::{
        Action, Backend, BackendAddress, Expose, Family, Listener, ListenerId, Place, Policy,
        PortRange,
        claim::{Assume, Claim, Outcome, Target},
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
    /// Where the client is.
    pub origin: Origin,
    /// The client; of a process of this host, the address that it takes.
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
///
/// The processes of this host are spoken of by loopback addresses, and then whatever address they
/// take. Every other address is that of a client elsewhere.
#[must_use]
pub fn decide(
    claim: &Claim,
    policy: &Policy,
    exposure: &Exposure,
    guardrail: Option<&Guardrail>,
) -> Proof {
    let (registered, zoned) = (Guardrail::default(), guardrail.map(Senders::by));
    let ways = Ways {
        exposure,
        guardrail: guardrail.unwrap_or(&registered),
        near: zoned.as_ref().unwrap_or_else(|| Senders::registered()),
        listeners: leading(policy, &claim.to),
    };
    match claim.outcome {
        _ if is_unknown_group(&claim.to) => Proof::NoGroup,
        _ if claim.from.is_empty() => Proof::NoSource,
        _ if ways.listeners.is_empty() => Proof::NoTarget,
        Outcome::Served => ways.all_served(&claim.from),
        Outcome::Unreachable | Outcome::Invisible => ways.none(claim),
    }
}

/// The ways that lead to a target.
struct Ways<'a> {
    exposure: &'a Exposure,
    guardrail: &'a Guardrail,
    near: &'a Senders,
    listeners: Vec<&'a Listener>,
}

/// Some clients of a listener, which a claim says there are not.
struct Met {
    origin: Origin,
    clients: AddressSet,
    /// Whether they are there on every host.
    certain: bool,
}

impl Ways<'_> {
    /// Whether nobody that the claim speaks of is among the clients of any listener.
    fn none(&self, claim: &Claim) -> Proof {
        let mut unknown = None;
        for listener in &self.listeners {
            if let Expose::Unix(_) = listener.expose {
                // Who may use a path is a matter of permissions, but he is on this host.
                let hosts = self.near.to(Class::Host, None).intersection(&claim.from);
                if let Some(client) = example(&hosts) {
                    return Proof::Fails(over_path(listener, client));
                }
            }
            for accept in self.exposure.listener(&listener.id) {
                let met = self.met_elsewhere(accept, claim).into_iter();
                for met in met.chain(self.met_here(accept, claim)) {
                    match example(&met.clients) {
                        Some(client) if met.certain => {
                            return Proof::Fails(over(accept, client, met.origin));
                        }
                        Some(_) => unknown = unknown.or_else(|| Some(listener.id.clone())),
                        None => {}
                    }
                }
            }
        }
        unknown.map_or(Proof::Holds, Proof::Unknown)
    }

    /// The clients on other hosts that a claim says there are not.
    fn met_elsewhere(&self, accept: &Accept, claim: &Claim) -> Vec<Met> {
        let scopes = leave::scopes(accept, self.guardrail);
        let certain = is_certain(accept, &scopes);
        let elsewhere = claim.from.difference(self.near.to(Class::Host, None));
        let met = scopes.into_iter().map(|scope| {
            let near = self.near.to(scope.class(), Some(accept.family()));
            let senders = match claim.assume {
                Assume::All => near,
                Assume::None => senders(&accept.device, scope.class(), accept.family(), near),
            };
            let clients = self.spoken_of(accept, claim, senders).intersection(&elsewhere);
            Met { origin: Origin::Elsewhere, clients, certain }
        });
        met.collect()
    }

    /// The processes of this host that a claim says there are not. One that speaks of all of them
    /// speaks of every address that they can take.
    fn met_here(&self, accept: &Accept, claim: &Claim) -> Vec<Met> {
        let hosts = self.near.to(Class::Host, Some(accept.family()));
        let meant = hosts.intersection(&claim.from);
        if meant.is_empty() {
            return Vec::new();
        }
        let fixed = is_certain(accept, &leave::scopes(accept, self.guardrail));
        let Sources { known, possible } = Sources::of(accept, self.exposure);
        let met = [(known, fixed), (possible, false)].map(|(sources, certain)| {
            let sources = if meant == **hosts { sources } else { sources.intersection(&meant) };
            let clients = AddressSet::clone(&self.spoken_of(accept, claim, &Arc::new(sources)));
            Met { origin: Origin::Host, clients, certain }
        });
        met.into()
    }

    /// Those of the clients that the claim is about: all who come, or all who are let in.
    fn spoken_of(
        &self,
        accept: &Accept,
        claim: &Claim,
        clients: &Arc<AddressSet>,
    ) -> Arc<AddressSet> {
        match claim.outcome {
            Outcome::Invisible => Arc::clone(clients),
            Outcome::Unreachable | Outcome::Served => accept.listener.admitted(clients),
        }
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
                    let near = self.near.to(scope.class(), Some(accept.family()));
                    let [always, perhaps] = self.served(accept, near);
                    possible = possible.union(&perhaps);
                    if is_certain {
                        certain = certain.union(&always);
                    }
                    if !is_certain || always != perhaps {
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
                let over = |one| over(one, client, Origin::of(client));
                Proof::Fails(side.map_or_else(|| over_path(listener, client), over))
            }
            (_, Some(listener), _) => Proof::Unknown(listener),
            _ => Proof::Holds,
        }
    }

    /// Who of those near is served wherever the socket is there, and who may be.
    ///
    /// A socket that is tied to an interface hears no process of this host that takes a loopback
    /// address. It serves them if it lets in the address that they have when they take none, which
    /// is the one that they connect to.
    fn served(&self, accept: &Accept, near: &Arc<AddressSet>) -> [AddressSet; 2] {
        let listener = &accept.listener;
        let met = AddressSet::clone(&listener.admitted(near));
        let hosts = self.near.to(Class::Host, Some(accept.family()));
        let own = match &accept.destination {
            Destination::One(address) => AddressSet::of_blocks([(*address).into()]),
            Destination::Within(addresses) => addresses.clone(),
            Destination::Open => return [met.clone(), met],
        };
        if !Sources::of(accept, self.exposure).known.intersection(hosts).is_empty() {
            return [met.clone(), met];
        }
        let own = Arc::new(own);
        let let_in = listener.admitted(&own);
        let (elsewhere, all) = (met.difference(hosts), met.union(hosts));
        match () {
            () if let_in == own => [all.clone(), all],
            () if let_in.is_empty() => [elsewhere.clone(), elsewhere],
            () => [elsewhere, all],
        }
    }
}

/// Whether an accept is there on every host, and of one scope. A block or class that the host has
/// no address of is refused; an interface may have none, and is passed over.
fn is_certain(accept: &Accept, scopes: &[Scope]) -> bool {
    let is_fixed = !matches!(accept.destination, Destination::Within(_));
    is_fixed || scopes.len() == 1 && !matches!(accept.side.place, Place::Interface { .. })
}

fn over(accept: &Accept, client: IpAddr, origin: Origin) -> Counterexample {
    let address = match accept.destination {
        Destination::One(address) => Some(address),
        Destination::Open | Destination::Within(_) => None,
    };
    Counterexample {
        origin,
        client,
        listener: accept.listener.id.clone(),
        family: Some(accept.family()),
        address,
        port: accept.ports().first().map(|ports| ports.first),
    }
}

fn over_path(listener: &Listener, client: IpAddr) -> Counterexample {
    let (listener, port) = (listener.id.clone(), listener.ports.first().map(|ports| ports.first));
    let origin = Origin::of(client);
    Counterexample { origin, client, listener, family: None, address: None, port }
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
    listener.ports.iter().any(|range| range.contains(port))
}

/// One address of a set, not that of its network.
fn example(set: &AddressSet) -> Option<IpAddr> {
    let block = set.blocks().next()?;
    Some(block.hosts().next().unwrap_or_else(|| block.addr()))
}
