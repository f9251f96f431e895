//! What the kernel will accept: for every listener its exact destinations, devices and ports.
//!
//! Rules ask questions of these sets and never compare text. An address that only the host can tell
//! stays a symbol with its bounds, and a question about it is answered yes, no or perhaps.

pub mod assumption;
pub mod by_port;
pub mod connection;
pub mod diff;
pub mod flows;
pub mod leave;
pub mod local;
pub mod matrix;
pub mod overlap;
pub mod proof;
pub mod reach;
pub mod sensitive;
pub mod taker;
pub mod vantage;
pub mod witness;

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use self::connection::Own;
use crate::{
    address::{Class, class, classify, set::AddressSet},
    facts::Facts,
    plan::{Bind, LOOPBACK_DEVICE, Plan},
    policy::{Expose, Family, Listener, ListenerId, Place, Policy, PortRange, Side},
};

/// Everything that the kernel will accept for a policy.
#[derive(Debug, Clone, Default)]
pub struct Exposure {
    /// In order of listener, then IPv4 before IPv6.
    accepts: Vec<Accept>,
    /// The addresses that its processes can take, where the host is known.
    own: Option<Own>,
}

/// One set of connections that the kernel takes for a listener: to these addresses, over this
/// device, to any of the listener's ports.
#[derive(Debug, Clone)]
pub struct Accept {
    /// Whose connections they are.
    pub listener: Arc<Listener>,
    /// The side of its exposure that asks for them.
    pub side: Side,
    /// The addresses that clients connect to.
    pub destination: Destination,
    /// The interface that they arrive over.
    pub device: Device,
}

/// The addresses that clients connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Exactly this one.
    One(IpAddr),
    /// Every address of the family, now and later.
    Open,
    /// Those that the side's place comes to on the host: one or more of these.
    Within(AddressSet),
}

/// What a socket is tied to by SO_BINDTODEVICE.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Device {
    /// Nothing: connections may arrive over any interface.
    Unbound,
    /// The interface that owns the address, which only the host can tell.
    OwnerOfAddress,
    /// This interface.
    Named(String),
}

/// An answer about sets of which some are symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// Certainly not.
    No,
    /// It depends on the host.
    Perhaps,
    /// On every host.
    Yes,
}

impl Exposure {
    /// What the policy exposes, on whatever host.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        Self::with(policy, None, None)
    }

    /// What it exposes on this host; where there is a plan, at the addresses that it comes to.
    #[must_use]
    pub fn on(policy: &Policy, facts: &Facts, plan: Option<&Plan>) -> Self {
        Self::with(policy, Some(facts), plan)
    }

    fn with(policy: &Policy, facts: Option<&Facts>, plan: Option<&Plan>) -> Self {
        let mut binds: BTreeMap<&ListenerId, Vec<&Bind>> = BTreeMap::new();
        for bind in plan.into_iter().flat_map(|plan| plan.binds.values()) {
            binds.entry(&bind.listener).or_default().push(bind);
        }
        let mut accepts = Vec::with_capacity(policy.listeners.len());
        for listener in policy.listeners.values() {
            let Expose::Ip(sides) = &listener.expose else { continue };
            let binds = binds.get(&listener.id).map_or(&[][..], Vec::as_slice);
            for side in sides {
                match planned(listener, side, binds) {
                    planned if planned.is_empty() => accepts.push(declared(listener, side)),
                    planned => accepts.extend(planned),
                }
            }
        }
        Self { accepts, own: facts.map(Own::of) }
    }

    /// All of it, in order of listener, then IPv4 before IPv6.
    #[must_use]
    pub fn accepts(&self) -> &[Accept] {
        &self.accepts
    }

    /// What is accepted for one listener.
    #[must_use]
    pub fn listener(&self, id: &ListenerId) -> &[Accept] {
        let first = self.accepts.partition_point(|accept| accept.listener.id < *id);
        let beyond = self.accepts.partition_point(|accept| accept.listener.id <= *id);
        &self.accepts[first..beyond]
    }
}

impl Accept {
    /// The family of its addresses.
    #[must_use]
    pub fn family(&self) -> Family {
        self.side.family
    }

    /// Its ports: sorted, disjoint, never empty.
    #[must_use]
    pub fn ports(&self) -> &[PortRange] {
        &self.listener.ports
    }

    /// The classes its addresses are of; where only the host can tell, those that were asked for.
    #[must_use]
    pub fn classes(&self) -> Vec<Class> {
        match self.destination {
            Destination::One(address) => vec![classify(address)],
            Destination::Open => vec![Class::Any],
            Destination::Within(_) => asserted(&self.side.place),
        }
    }
}

/// The classes that the keyword asserts.
#[must_use]
pub fn asserted(place: &Place) -> Vec<Class> {
    match place {
        Place::Loopback => vec![Class::Host],
        Place::Subnet { class, .. } | Place::Address { class, .. } | Place::OneOf { class, .. } => {
            vec![*class]
        }
        Place::Interface { classes, .. } => classes.clone(),
        Place::Any => vec![Class::Any],
    }
}

/// What a side comes to on the host, if the plan has it: none while it waits for an address.
fn planned(listener: &Arc<Listener>, side: &Side, binds: &[&Bind]) -> Vec<Accept> {
    let mut accepts: Vec<Accept> = Vec::new();
    for bind in binds {
        let Some(address) = bind.key.socket_addr() else { continue };
        if Family::of(address.ip()) != side.family {
            continue;
        }
        let destination = if address.ip().is_unspecified() {
            Destination::Open
        } else {
            Destination::One(address.ip())
        };
        let device = bind.key.device.clone().map_or(Device::Unbound, Device::Named);
        // There is a bind for each port, and the ports are those of the listener.
        let known =
            accepts.iter().any(|had| had.destination == destination && had.device == device);
        if !known {
            let (listener, side) = (Arc::clone(listener), side.clone());
            accepts.push(Accept { listener, side, destination, device });
        }
    }
    accepts
}

/// What a side asks for, on whatever host.
fn declared(listener: &Arc<Listener>, side: &Side) -> Accept {
    let within = |classes: &[Class]| Destination::Within(of_family(side.family, classes));
    let destination = match &side.place {
        Place::Any => Destination::Open,
        Place::Loopback => Destination::One(side.family.loopback()),
        Place::Address { address, .. } => Destination::One(*address),
        Place::Subnet { class, block } => {
            let block = AddressSet::of_blocks([*block]);
            Destination::Within(block.intersection(class::addresses_of(*class)))
        }
        Place::OneOf { class, .. } => within(&[*class]),
        Place::Interface { classes, .. } => within(classes),
    };
    let device = match &side.place {
        _ if !side.pin => Device::Unbound,
        Place::Any => Device::Unbound,
        Place::Loopback => Device::Named(LOOPBACK_DEVICE.to_owned()),
        Place::OneOf { interface, .. } | Place::Interface { interface, .. } => {
            Device::Named(interface.clone())
        }
        Place::Address { zone: Some(zone), .. } => Device::Named(zone.clone()),
        Place::Address { .. } | Place::Subnet { .. } => Device::OwnerOfAddress,
    };
    Accept { listener: Arc::clone(listener), side: side.clone(), destination, device }
}

fn of_family(family: Family, classes: &[Class]) -> AddressSet {
    let sets = classes.iter().map(|class| class::addresses_of(*class));
    let all = sets.fold(AddressSet::default(), |all, set| all.union(set));
    let wanted = all.blocks().filter(|block| Family::of(block.addr()) == family);
    AddressSet::of_blocks(wanted)
}
