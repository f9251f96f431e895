//! Exact sets of pairs of a port and a client's address.

use std::sync::Arc;

use crate::{address::set::AddressSet, policy::PortRange};

/// Which clients come to which ports. Equal sets are equal values, however they were put together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByPort {
    /// Ascending, disjoint, nobody's clients empty, and neighbours that touch have different
    /// clients.
    ranges: Vec<Entry>,
}

/// These ports, and who comes to them.
type Entry = (PortRange, Arc<AddressSet>);

impl ByPort {
    /// The union of some rectangles, which may overlap.
    #[must_use]
    pub fn of(entries: Vec<Entry>) -> Self {
        let mut cuts: Vec<u32> = Vec::with_capacity(2 * entries.len());
        for (ports, _) in &entries {
            cuts.extend([u32::from(ports.first), u32::from(ports.last) + 1]);
        }
        cuts.sort_unstable();
        cuts.dedup();
        let mut set = Self::default();
        set.fill(&cuts, entries, &Arc::default());
        set
    }

    /// Whether there is no pair in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Its ranges with their clients, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (PortRange, &Arc<AddressSet>)> {
        self.ranges.iter().map(|(ports, clients)| (*ports, clients))
    }

    /// All clients, whatever the port.
    #[must_use]
    pub fn clients(&self) -> AddressSet {
        AddressSet::union_of(self.ranges.iter().map(|(_, clients)| &**clients))
    }

    /// What is in this one only.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.combine(other, |ours, theirs| match theirs {
            Some(theirs) if Arc::ptr_eq(ours, theirs) => Arc::default(),
            Some(theirs) => Arc::new(ours.difference(theirs)),
            None => Arc::clone(ours),
        })
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |ours, theirs| match theirs {
            Some(theirs) => Arc::new(ours.intersection(theirs)),
            None => Arc::default(),
        })
    }

    /// The part of these clients.
    #[must_use]
    pub fn from(&self, clients: &AddressSet) -> Self {
        let mut set = Self::default();
        for (ports, had) in &self.ranges {
            set.push(*ports, Arc::new(had.intersection(clients)));
        }
        set
    }

    /// The part on this port.
    #[must_use]
    pub fn at(&self, port: u16) -> Self {
        let entry = self.ranges.iter().find(|(ports, _)| ports.contains(port));
        let only = PortRange { first: port, last: port };
        Self { ranges: entry.map(|(_, clients)| (only, Arc::clone(clients))).into_iter().collect() }
    }

    /// Fills the ports between the first and the last cut, in halves: an entry that covers a
    /// stretch counts there once and for all, so that many overlapping entries stay cheap.
    fn fill(&mut self, cuts: &[u32], entries: Vec<Entry>, common: &Arc<AddressSet>) {
        let (Some(first), Some(last)) = (cuts.first(), cuts.last()) else { return };
        let Some(range) = range(*first, *last) else { return };
        let covers = |(ports, _): &Entry| ports.first <= range.first && ports.last >= range.last;
        let (whole, partial): (Vec<_>, Vec<_>) = entries.into_iter().partition(covers);
        let common = match whole.as_slice() {
            [] => Arc::clone(common),
            [(_, only)] if common.is_empty() => Arc::clone(only),
            whole => {
                let all = whole.iter().map(|(_, clients)| &**clients);
                Arc::new(AddressSet::union_of(all.chain([&**common])))
            }
        };
        if partial.is_empty() {
            return self.push(range, common);
        }
        let middle = cuts.len() / 2;
        for half in [&cuts[..=middle], &cuts[middle..]] {
            let meets = |(ports, _): &&Entry| {
                half.first().is_some_and(|first| u32::from(ports.last) >= *first)
                    && half.last().is_some_and(|last| u32::from(ports.first) < *last)
            };
            self.fill(half, partial.iter().filter(meets).cloned().collect(), &common);
        }
    }

    /// What the function makes of our clients and, port by port, of theirs.
    fn combine(
        &self,
        other: &Self,
        make: impl Fn(&Arc<AddressSet>, Option<&Arc<AddressSet>>) -> Arc<AddressSet>,
    ) -> Self {
        let mut made = Self::default();
        for (ports, ours) in &self.ranges {
            let mut next = u32::from(ports.first);
            let from = other.ranges.partition_point(|(theirs, _)| theirs.last < ports.first);
            let met =
                other.ranges[from..].iter().take_while(|(theirs, _)| theirs.first <= ports.last);
            for (theirs, clients) in met {
                let (first, last) = (theirs.first.max(ports.first), theirs.last.min(ports.last));
                if let Some(gap) = range(next, first.into()) {
                    made.push(gap, make(ours, None));
                }
                made.push(PortRange { first, last }, make(ours, Some(clients)));
                next = u32::from(last) + 1;
            }
            if let Some(rest) = range(next, u32::from(ports.last) + 1) {
                made.push(rest, make(ours, None));
            }
        }
        made
    }

    /// Adds a range beyond all that are there.
    fn push(&mut self, ports: PortRange, clients: Arc<AddressSet>) {
        if clients.is_empty() {
            return;
        }
        match self.ranges.last_mut() {
            Some((before, had))
                if before.last.checked_add(1) == Some(ports.first) && *had == clients =>
            {
                before.last = ports.last;
            }
            _ => self.ranges.push((ports, clients)),
        }
    }
}

/// The ports from the first to before the end; none if there are none.
fn range(first: u32, end: u32) -> Option<PortRange> {
    let last = u16::try_from(end.checked_sub(1)?).ok()?;
    let first = u16::try_from(first).ok()?;
    (first <= last).then_some(PortRange { first, last })
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use ipnet::IpNet;
    use proptest::prelude::*;

    use super::*;

    /// Rectangles of a tiny world: ports 0 to 7 and the ends of the port space, eight clients.
    fn small() -> impl Strategy<Value = Vec<Entry>> {
        let port = prop_oneof![0u16..8, 65533u16..=65535];
        let entry = (port, 0u16..4, 0u8..8, 29u8..=32).prop_map(|(first, more, client, prefix)| {
            let last = first.saturating_add(more);
            let block = IpNet::new(IpAddr::from([10, 0, 0, client]), prefix).unwrap().trunc();
            (PortRange { first, last }, Arc::new(AddressSet::of_blocks([block])))
        });
        proptest::collection::vec(entry, 0..6)
    }

    fn has(set: &ByPort, port: u16, client: u8) -> bool {
        let client = IpAddr::from([10, 0, 0, client]);
        set.iter().any(|(ports, clients)| ports.contains(port) && clients.contains(client))
    }

    fn world() -> impl Iterator<Item = (u16, u8)> {
        let ports = (0..12).chain(65530..=65535);
        ports.flat_map(|port| (0..8).map(move |client| (port, client)))
    }

    proptest! {
        #[test]
        fn operations_agree_with_membership(a in small(), b in small()) {
            let (both, a, b) = ([a.clone(), b.clone()].concat(), ByPort::of(a), ByPort::of(b));
            let (union, minus, common) = (ByPort::of(both), a.minus(&b), a.intersection(&b));
            for (port, client) in world() {
                let (ours, theirs) = (has(&a, port, client), has(&b, port, client));
                prop_assert_eq!(has(&union, port, client), ours || theirs);
                prop_assert_eq!(has(&minus, port, client), ours && !theirs);
                prop_assert_eq!(has(&common, port, client), ours && theirs);
            }
        }

        #[test]
        fn equal_sets_are_equal_values_however_they_are_put_together(a in small(), b in small()) {
            let (ours, theirs) = (ByPort::of(a.clone()), ByPort::of(b.clone()));
            let turned = ByPort::of(b.into_iter().chain(a).rev().collect());
            let pieces = [&ours.minus(&theirs), &ours.intersection(&theirs), &theirs.minus(&ours)];
            let pieces = pieces.into_iter().flat_map(ByPort::iter);
            let joined = ByPort::of(pieces.map(|(ports, clients)| (ports, Arc::clone(clients))).collect());
            prop_assert_eq!(joined, turned);
            prop_assert!(ours.minus(&ours).is_empty());
        }
    }

    #[test]
    fn many_overlapping_ranges_are_no_burden() {
        let entry = |number: u16| {
            let clients =
                AddressSet::of_blocks([IpAddr::from([10, 0, 0, number.to_be_bytes()[1]]).into()]);
            (PortRange { first: number, last: u16::MAX - number }, Arc::new(clients))
        };
        let set = ByPort::of((0..8000).map(entry).collect());
        assert_eq!(set.clients().blocks().count(), 1);
        assert!(has(&set, 30_000, 7));
    }
}
