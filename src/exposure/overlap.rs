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
    /// By interface, then by what is asked of it.
    interfaces: BTreeMap<(Family, String), BTreeMap<Asked, Span>>,
    /// Of blocks by class, for interfaces that may have an address of it.
    in_blocks: BTreeMap<OfClass, Span>,
    /// Of interfaces by class, for blocks and other interfaces that may have the same address.
    on_interfaces: BTreeMap<OfClass, Span>,
    open: BTreeMap<Family, Span>,
    /// Of any kind.
    furthest: BTreeMap<Family, Span>,
}

/// What is asked of an interface, with the device that it is tied to.
type Asked = (Vec<Class>, Device);

/// Addresses of a class on a device; none is any.
type OfClass = (Family, Class, Option<Device>);

impl Seen {
    /// Accepts that may meet this one at the port.
    fn candidates<'s>(
        &'s self,
        accept: &'s Accept,
        port: u16,
    ) -> Box<dyn Iterator<Item = usize> + 's> {
        let family = accept.family();
        let here = move |span: &Span| (span.ports.last >= port).then_some(span.accept);
        if accept.destination == Destination::Open {
            return Box::new(self.furthest.get(&family).and_then(here).into_iter());
        }
        let open = self.open.get(&family).into_iter();
        let on_interfaces = meeting(&self.on_interfaces, accept);
        let Some(block) = block_of(accept) else {
            let same = interface_of(accept).and_then(|name| self.interfaces.get(&(family, name)));
            let same = same.into_iter().flat_map(BTreeMap::values);
            let elsewhere = on_interfaces.chain(meeting(&self.in_blocks, accept));
            return Box::new(open.chain(same).chain(elsewhere).filter_map(here));
        };
        let around = (0..block.prefix_len()).filter_map(move |prefix| {
            let outer = IpNet::new(block.addr(), prefix).expect("shorter than the block's own");
            self.blocks.get(&outer.trunc())
        });
        let inside = self.blocks.range(block..=IpNet::from(block.broadcast()));
        let blocks = inside.map(|(_, spans)| spans).chain(around).flat_map(BTreeMap::values);
        Box::new(blocks.chain(open).chain(on_interfaces).filter_map(here))
    }

    fn add(&mut self, accept: &Accept, span: Span) {
        let family = accept.family();
        keep(&mut self.furthest, family, span);
        let device = accept.device.clone();
        let by_class = if accept.destination == Destination::Open {
            return keep(&mut self.open, family, span);
        } else if let Some(block) = block_of(accept) {
            keep(self.blocks.entry(block).or_default(), device, span);
            &mut self.in_blocks
        } else if let Some(interface) = interface_of(accept) {
            let asked = self.interfaces.entry((family, interface)).or_default();
            keep(asked, (asserted(&accept.side.place), device), span);
            &mut self.on_interfaces
        } else {
            return;
        };
        // A block without an address of its class is a finding of its own, and meets nobody.
        let is_empty = matches!(&accept.destination, Destination::Within(set) if set.is_empty());
        for class in accept.classes().into_iter().filter(|_| !is_empty) {
            keep(by_class, (family, class, Some(accept.device.clone())), span);
            keep(by_class, (family, class, None), span);
        }
    }
}

/// The spans of the accept's classes on the devices that do not keep it away.
fn meeting<'s>(
    by_class: &'s BTreeMap<OfClass, Span>,
    accept: &'s Accept,
) -> impl Iterator<Item = &'s Span> {
    let own = accept.device.clone();
    let devices = match own {
        Device::Named(_) => {
            vec![Some(own), Some(Device::Unbound), Some(Device::OwnerOfAddress)]
        }
        Device::Unbound | Device::OwnerOfAddress => vec![None],
    };
    let classes = accept.classes().into_iter();
    let keys = classes.flat_map(move |class| {
        devices.clone().into_iter().map(move |device| (accept.family(), class, device))
    });
    keys.filter_map(|key| by_class.get(&key))
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

/// The interface whose addresses they are.
fn interface_of(accept: &Accept) -> Option<String> {
    match &accept.side.place {
        Place::OneOf { interface, .. } | Place::Interface { interface, .. } => {
            Some(interface.clone())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
