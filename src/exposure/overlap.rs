//! Which listeners would take one another's connections.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{Accept, Answer, Destination, Device, Exposure, asserted};
use crate::{
    address::Class,
    policy::{Family, Place, PortRange},
};

/// Two accepts of different listeners that meet.
#[derive(Debug, Clone, Copy)]
pub struct Overlap<'a> {
    /// The one whose ports begin first.
    pub first: &'a Accept,
    /// The other.
    pub second: &'a Accept,
    /// The lowest port on which they meet.
    pub port: u16,
    /// Whether they meet on every host.
    pub certain: bool,
}

impl Overlap<'_> {
    /// Whether the two ask for the same, rather than one for a part of the other.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        let open = |accept: &Accept| accept.destination == Destination::Open;
        open(self.first) == open(self.second)
    }
}

impl Exposure {
    /// The accepts that meet. Each range of ports of an accept is held against the ranges that
    /// begin no later, and yields the first accept of another listener that it meets on every host,
    /// or else the first that it may meet. So there are at most as many overlaps as ranges, and no
    /// accept that meets another is left out.
    #[must_use]
    pub fn overlaps(&self) -> Vec<Overlap<'_>> {
        let accepts = self.accepts();
        let mut spans: Vec<Span> = Vec::new();
        for (accept, found) in accepts.iter().enumerate() {
            // Port 0 is a different port for every socket.
            let ports = found.ports().iter().filter(|ports| ports.first != 0);
            spans.extend(ports.map(|ports| Span { ports: *ports, accept }));
        }
        spans.sort_by_key(|span| (span.ports.first, span.accept));

        let mut seen = Seen::default();
        let mut overlaps = Vec::new();
        for span in spans {
            overlaps.extend(self.first_met(span, &seen));
            seen.add(&accepts[span.accept], span);
        }
        overlaps
    }

    fn first_met(&self, span: Span, seen: &Seen) -> Option<Overlap<'_>> {
        let accepts = self.accepts();
        let (second, port) = (&accepts[span.accept], span.ports.first);
        let mut best = None;
        for candidate in seen.candidates(second, port) {
            let first = &accepts[candidate];
            match first.meets(second) {
                _ if first.listener.id == second.listener.id => {}
                Answer::No => {}
                Answer::Perhaps => {
                    best = best.or(Some(Overlap { first, second, port, certain: false }));
                }
                Answer::Yes => return Some(Overlap { first, second, port, certain: true }),
            }
        }
        best
    }
}

impl Accept {
    /// Whether one connection to a port of both could belong to either.
    fn meets(&self, other: &Self) -> Answer {
        if self.family() != other.family() {
            return Answer::No;
        }
        let destinations = self.destination_meets(other);
        let specific =
            self.destination != Destination::Open && other.destination != Destination::Open;
        let devices = match (&self.device, &other.device) {
            (Device::Unbound, _) | (_, Device::Unbound) => Answer::Yes,
            (Device::Named(ours), Device::Named(theirs)) if ours == theirs => Answer::Yes,
            (Device::Named(_), Device::Named(_)) => Answer::No,
            // Where the address is certainly the same one, it has one owner.
            (Device::OwnerOfAddress, Device::OwnerOfAddress) if specific => Answer::Yes,
            _ => Answer::Perhaps,
        };
        destinations.min(devices)
    }

    fn destination_meets(&self, other: &Self) -> Answer {
        match (&self.destination, &other.destination) {
            (Destination::Open, _) | (_, Destination::Open) => Answer::Yes,
            (Destination::One(ours), Destination::One(theirs)) if ours == theirs => Answer::Yes,
            (Destination::One(_), Destination::One(_)) => Answer::No,
            (Destination::One(one), Destination::Within(set))
            | (Destination::Within(set), Destination::One(one)) => {
                if set.contains(*one) {
                    Answer::Perhaps
                } else {
                    Answer::No
                }
            }
            (Destination::Within(ours), Destination::Within(theirs)) => {
                if ours.intersection(theirs).is_empty() {
                    Answer::No
                } else if is_same_address(&self.side.place, &other.side.place) {
                    Answer::Yes
                } else {
                    Answer::Perhaps
                }
            }
        }
    }
}

/// Whether two places come to a common address on every host that has both.
fn is_same_address(ours: &Place, theirs: &Place) -> bool {
    match (ours, theirs) {
        // Each block holds exactly one local address, so the inner one's is the outer one's.
        (Place::Subnet { block: ours, .. }, Place::Subnet { block: theirs, .. }) => {
            ours.contains(theirs) || theirs.contains(ours)
        }
        (
            Place::OneOf { interface, .. } | Place::Interface { interface, .. },
            Place::OneOf { interface: other, .. } | Place::Interface { interface: other, .. },
        ) => interface == other && asserted(ours) == asserted(theirs),
        _ => false,
    }
}

/// A range of ports of one accept.
#[derive(Debug, Clone, Copy)]
struct Span {
    ports: PortRange,
    /// Its index.
    accept: usize,
}

/// The spans so far. Of each kind of destination only the span that reaches furthest is kept. Spans
/// come in the order of their first ports, so a later one meets some earlier one of a kind exactly
/// if it meets the one that reaches furthest.
#[derive(Debug, Default)]
struct Seen {
    /// By block; an address is the block of itself.
    blocks: BTreeMap<IpNet, BTreeMap<Device, Span>>,
    interfaces: BTreeMap<(Family, String, Vec<Class>, Device), Span>,
    open: BTreeMap<Family, Span>,
    /// Of any kind.
    furthest: BTreeMap<Family, Span>,
}

impl Seen {
    /// Accepts that may meet this one at the port.
    fn candidates<'s>(
        &'s self,
        accept: &Accept,
        port: u16,
    ) -> Box<dyn Iterator<Item = usize> + 's> {
        let family = accept.family();
        let here = move |span: &Span| (span.ports.last >= port).then_some(span.accept);
        if accept.destination == Destination::Open {
            return Box::new(self.furthest.get(&family).and_then(here).into_iter());
        }
        let open = self.open.get(&family).into_iter();
        let elsewhere = open.chain(self.interfaces.values());
        let Some(block) = block_of(accept) else {
            let blocks = self.blocks.values().flat_map(BTreeMap::values);
            return Box::new(elsewhere.chain(blocks).filter_map(here));
        };
        let around = (0..block.prefix_len()).filter_map(move |prefix| {
            let outer = IpNet::new(block.addr(), prefix).expect("shorter than the block's own");
            self.blocks.get(&outer.trunc())
        });
        let inside = self.blocks.range(block..=IpNet::from(block.broadcast()));
        let blocks = inside.map(|(_, spans)| spans).chain(around).flat_map(BTreeMap::values);
        Box::new(blocks.chain(elsewhere).filter_map(here))
    }

    fn add(&mut self, accept: &Accept, span: Span) {
        let family = accept.family();
        keep(&mut self.furthest, family, span);
        let device = accept.device.clone();
        if accept.destination == Destination::Open {
            keep(&mut self.open, family, span);
        } else if let Some(block) = block_of(accept) {
            keep(self.blocks.entry(block).or_default(), device, span);
        } else if let Place::OneOf { interface, .. } | Place::Interface { interface, .. } =
            &accept.side.place
        {
            let key = (family, interface.clone(), asserted(&accept.side.place), device);
            keep(&mut self.interfaces, key, span);
        }
    }
}

fn keep<K: Ord>(map: &mut BTreeMap<K, Span>, key: K, span: Span) {
    let kept = map.entry(key).or_insert(span);
    if span.ports.last > kept.ports.last {
        *kept = span;
    }
}

/// The block that all its addresses lie in; none for an interface's.
fn block_of(accept: &Accept) -> Option<IpNet> {
    match (&accept.destination, &accept.side.place) {
        (Destination::One(address), _) => Some(IpNet::from(*address)),
        (Destination::Within(_), Place::Subnet { block, .. }) => Some(*block),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
