//! Exact sets of flows: who comes to which port of which local address.
//!
//! Ports and clients are sets without symbols. Local addresses may be symbols, and then a
//! difference has a part that is certain and a part that depends on the host.

use std::{collections::BTreeMap, sync::Arc};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    Answer,
    by_port::ByPort,
    local::{Local, Which},
};
use crate::{
    address::{Class, set::AddressSet},
    policy::Family,
};

/// A set of flows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flows {
    /// By local end, ascending, none of them empty. A listener has one or two, so no tree is worth
    /// it.
    cells: Vec<(Local, ByPort)>,
}

/// What is left of a set when another is taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rest {
    /// What is left on every host.
    pub certain: Flows,
    /// What may be left: all of `certain`, and what depends on the host.
    pub possible: Flows,
}

impl Flows {
    /// No flow.
    #[must_use]
    pub const fn none() -> Self {
        Self { cells: Vec::new() }
    }

    /// Flows to one local end.
    #[must_use]
    pub fn of(local: Local, ports: ByPort) -> Self {
        let mut flows = Self::default();
        flows.put(local, ports);
        flows
    }

    /// What is in any of them.
    #[must_use]
    pub fn union<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut entries: BTreeMap<&Local, Vec<_>> = BTreeMap::new();
        for (local, ports) in sets.into_iter().flat_map(Self::iter) {
            let ranges = ports.iter().map(|(ports, clients)| (ports, clients.clone()));
            entries.entry(local).or_default().extend(ranges);
        }
        let cells = entries.into_iter().map(|(local, ranges)| (local.clone(), ByPort::of(ranges)));
        Self { cells: cells.collect() }
    }

    /// Whether there is no flow in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Every local end with what comes to it.
    pub fn iter(&self) -> impl Iterator<Item = (&Local, &ByPort)> {
        self.cells.iter().map(|(local, ports)| (local, ports))
    }

    /// All clients, wherever they come to.
    #[must_use]
    pub fn clients(&self) -> AddressSet {
        let clients: Vec<_> = self.cells.iter().map(|(_, ports)| ports.clients()).collect();
        AddressSet::union_of(&clients)
    }

    /// Who comes to which port, wherever it is.
    #[must_use]
    pub fn audience(&self) -> ByPort {
        let all = self.cells.iter().flat_map(|(_, ports)| ports.iter());
        ByPort::of(all.map(|(ports, clients)| (ports, Arc::clone(clients))).collect())
    }

    /// The part of these clients at these ports.
    #[must_use]
    pub fn of_audience(&self, audience: &ByPort) -> Self {
        self.map(|_, ports| ports.intersection(audience))
    }

    /// The part of these clients.
    #[must_use]
    pub fn from(&self, clients: &AddressSet) -> Self {
        self.map(|_, ports| ports.from(clients))
    }

    /// The part on this port.
    #[must_use]
    pub fn at(&self, port: u16) -> Self {
        self.map(|_, ports| ports.at(port))
    }

    /// What is left without the other's flows.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Rest {
        let mut rest = Rest::default();
        for (local, ports) in &self.cells {
            let possible = other.beyond(local, ports.clone(), |answer| answer == Answer::Yes);
            if possible.is_empty() {
                continue;
            }
            let certain = other.beyond(local, possible.clone(), |answer| answer == Answer::Perhaps);
            rest.certain.put(local.clone(), certain);
            rest.possible.put(local.clone(), possible);
        }
        rest
    }

    /// What may be left without the other's flows.
    #[must_use]
    pub fn less(&self, other: &Self) -> Self {
        self.minus(other).possible
    }

    /// The part that is in the other too, on every host.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        self.map(|local, ports| {
            ports.minus(&other.beyond(local, ports.clone(), |answer| answer == Answer::Yes))
        })
    }

    /// Whether something comes to this very end.
    #[must_use]
    pub fn comes_to(&self, local: &Local) -> bool {
        self.cell(local).is_some()
    }

    /// Local ends of this set that may or may not be the given one.
    pub fn may_be<'a>(&'a self, local: &'a Local) -> impl Iterator<Item = &'a Local> {
        let near = self.near(local).map(|(other, _)| other);
        near.filter(|other| local.is_within(other) == Answer::Perhaps)
    }

    /// What is left of the ports without those local ends of ours that are related in this way.
    fn beyond(&self, local: &Local, mut ports: ByPort, related: impl Fn(Answer) -> bool) -> ByPort {
        for (other, taken) in self.near(local) {
            if ports.is_empty() {
                break;
            }
            if related(local.is_within(other)) {
                ports = ports.minus(taken);
            }
        }
        ports
    }

    /// Every local end of ours that may have something in common with this one, and few others: the
    /// very same first, because it most often says it all.
    fn near<'s>(
        &'s self,
        local: &'s Local,
    ) -> Box<dyn Iterator<Item = (&'s Local, &'s ByPort)> + 's> {
        let same = self.cell(local);
        let Some(family) = local.family() else { return Box::new(same.into_iter()) };
        let every = Local::Every(family);
        if *local == every {
            return Box::new(same.into_iter());
        }
        let class = local.class();
        let all = self.cell(&every);
        let first = Local::On { class, family, interface: String::new(), which: Which::One };
        let interfaces = self.starting_at(&first).take_while(move |(other, _)| {
            matches!(other, Local::On { .. })
                && (other.class(), other.family()) == (class, Some(family))
        });
        let common = same.into_iter().chain(all).chain(interfaces);
        match local.block() {
            Some(block) => {
                Box::new(common.chain(self.around(class, block)).chain(self.inside(class, block)))
            }
            // An interface may have any address of its class.
            None => Box::new(common.chain(self.inside(class, whole(family)))),
        }
    }

    /// Blocks of the class around this one.
    fn around(&self, class: Class, block: IpNet) -> impl Iterator<Item = (&Local, &ByPort)> {
        // Most sets have none, and looking for one of each length is dear.
        let first = Local::InBlock { class, block: whole(Family::V4) };
        let has_some = self.starting_at(&first).next().is_some_and(
            |(other, _)| matches!(other, Local::InBlock { class: others, .. } if *others == class),
        );
        let lengths = if has_some { 0..block.prefix_len() } else { 0..0 };
        lengths.filter_map(move |length| {
            let outer = IpNet::new(block.addr(), length).expect("shorter than the block's own");
            self.cell(&Local::InBlock { class, block: outer.trunc() })
        })
    }

    /// Addresses in this block, and blocks of the class.
    fn inside(&self, class: Class, block: IpNet) -> impl Iterator<Item = (&Local, &ByPort)> {
        let first = Local::One { address: block.network(), zone: None };
        let addresses = self.starting_at(&first).take_while(move |(other, _)| {
            matches!(other, Local::One { address, .. } if block.contains(address))
        });
        let blocks = self.starting_at(&Local::InBlock { class, block }).take_while(move |(other, _)| {
            matches!(other, Local::InBlock { class: others, block: inner } if *others == class && block.contains(inner))
        });
        addresses.chain(blocks)
    }

    fn cell(&self, local: &Local) -> Option<(&Local, &ByPort)> {
        let at = self.cells.binary_search_by(|(other, _)| other.cmp(local)).ok()?;
        self.cells.get(at).map(|(local, ports)| (local, ports))
    }

    /// The local ends from this one on.
    fn starting_at(&self, first: &Local) -> impl Iterator<Item = (&Local, &ByPort)> + use<'_> {
        let at = self.cells.partition_point(|(other, _)| other < first);
        self.cells[at..].iter().map(|(local, ports)| (local, ports))
    }

    fn map(&self, make: impl Fn(&Local, &ByPort) -> ByPort) -> Self {
        let mut flows = Self::default();
        for (local, ports) in &self.cells {
            flows.put(local.clone(), make(local, ports));
        }
        flows
    }

    /// Adds a local end beyond all that are there.
    fn put(&mut self, local: Local, ports: ByPort) {
        if !ports.is_empty() {
            debug_assert!(self.cells.last().is_none_or(|(last, _)| *last < local), "in order");
            self.cells.push((local, ports));
        }
    }
}

/// Every address of the family, as a block.
fn whole(family: Family) -> IpNet {
    match family {
        Family::V4 => IpNet::V4(Ipv4Net::default()),
        Family::V6 => IpNet::V6(Ipv6Net::default()),
    }
}
