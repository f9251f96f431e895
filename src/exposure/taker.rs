//! Who takes a connection that this host makes to an address and port: the question behind every
//! loop.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;

use super::{Accept, Answer, Destination, Exposure};
use crate::{
    address::{Class, classify},
    facts::Facts,
    policy::{Family, Place, PortRange},
};

/// The accepts by destination and port, to look one up among ten thousand.
#[derive(Debug)]
pub struct Takers<'a> {
    exposure: &'a Exposure,
    facts: Option<&'a Facts>,
    /// By destination and first port, with the last port and the accept. Ranges of one block or of
    /// every address do not overlap, or the overlap is a finding of its own.
    accepts: BTreeMap<(Key, u16), (u16, usize)>,
}

/// A kind of destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// An address, as the block of itself, or the one address inside a block.
    Block(IpNet),
    /// An address of this class on some interface.
    Class(Class, Family),
    Open(Family),
}

impl<'a> Takers<'a> {
    /// Of an exposure, on this host if it is known.
    #[must_use]
    pub fn new(exposure: &'a Exposure, facts: Option<&'a Facts>) -> Self {
        let mut accepts = BTreeMap::new();
        for (at, accept) in exposure.accepts().iter().enumerate() {
            for key in keys(accept) {
                for ports in accept.ports().iter().filter(|ports| ports.first != 0) {
                    let kept = accepts.entry((key, ports.first)).or_insert((ports.last, at));
                    *kept = (*kept).max((ports.last, at));
                }
            }
        }
        Self { exposure, facts, accepts }
    }

    /// Which listener takes a connection that this host makes to the address and one of the ports,
    /// and whether it does on every host.
    ///
    /// A device pin does not stand in the way: what a host sends to itself reaches a socket that is
    /// tied to the interface owning the address.
    #[must_use]
    pub fn taker(&self, address: IpAddr, ports: PortRange) -> Option<(&'a Accept, Answer)> {
        let own = IpNet::from(address);
        if let Some(accept) = self.find(Key::Block(own), ports) {
            let certain = matches!(accept.destination, Destination::One(_));
            return Some((accept, if certain { Answer::Yes } else { Answer::Perhaps }));
        }
        let local = self.is_local(address);
        if local == Answer::No {
            return None;
        }
        let family = Family::of(address);
        if let Some(accept) = self.find(Key::Open(family), ports) {
            return Some((accept, local));
        }
        let around = (0..own.prefix_len()).rev().filter_map(|prefix| {
            let block = IpNet::new(address, prefix).expect("shorter than the address").trunc();
            self.find(Key::Block(block), ports)
        });
        let on_interface = self.find(Key::Class(classify(address), family), ports);
        around.chain(on_interface).next().map(|accept| (accept, Answer::Perhaps))
    }

    /// Whether the address is one of this host's: loopback is, and so is what the host is known to
    /// have.
    fn is_local(&self, address: IpAddr) -> Answer {
        match self.facts {
            _ if classify(address) == Class::Host => Answer::Yes,
            Some(facts) if facts.owner(address).is_some() => Answer::Yes,
            Some(_) => Answer::No,
            None if self.is_bound(address) => Answer::Yes,
            None => Answer::Perhaps,
        }
    }

    /// Whether some listener is bound to the address itself, which takes an address of this host.
    fn is_bound(&self, address: IpAddr) -> bool {
        let key = Key::Block(IpNet::from(address));
        self.accepts.range((key, 0)..=(key, u16::MAX)).next().is_some()
    }

    fn find(&self, key: Key, ports: PortRange) -> Option<&'a Accept> {
        let mut before = self.accepts.range((key, 0)..=(key, ports.last)).map(|(_, found)| found);
        let reaches = |(last, _): &&(u16, usize)| *last >= ports.first;
        // Several interfaces may have an address of one class, and their ranges overlap.
        let (_, at) = match key {
            Key::Class(..) => before.rev().find(reaches),
            Key::Block(_) | Key::Open(_) => before.next_back().filter(reaches),
        }?;
        Some(&self.exposure.accepts()[*at])
    }
}

fn keys(accept: &Accept) -> Vec<Key> {
    match (&accept.destination, &accept.side.place) {
        (Destination::One(address), _) => vec![Key::Block(IpNet::from(*address))],
        (Destination::Open, _) => vec![Key::Open(accept.family())],
        (Destination::Within(_), Place::Subnet { block, .. }) => vec![Key::Block(*block)],
        (Destination::Within(_), _) => {
            let classes = accept.classes().into_iter();
            classes.map(|class| Key::Class(class, accept.family())).collect()
        }
    }
}
