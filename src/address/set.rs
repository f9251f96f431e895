//! Exact sets of addresses as sorted, disjoint, non-adjacent intervals, IPv4 and IPv6 apart.
//!
//! Equal sets have equal representations, so `0.0.0.0/1` with `128.0.0.0/1` is `0.0.0.0/0` and
//! spelling cannot matter. A v4-mapped address is the IPv4 address in it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv4Subnets, Ipv6Net, Ipv6Subnets};

/// A set of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressSet {
    v4: Intervals,
    v6: Intervals,
}

/// Inclusive intervals, ascending, with a gap of at least one between neighbours. IPv4 addresses
/// are kept as numbers below 2^32.
type Intervals = Vec<(u128, u128)>;

const LAST_V4: u128 = u32::MAX as u128;

impl AddressSet {
    /// Every address.
    #[must_use]
    pub fn all() -> Self {
        Self { v4: vec![(0, LAST_V4)], v6: vec![(0, u128::MAX)] }
    }

    /// Every address of a family.
    #[must_use]
    pub fn all_of(is_v4: bool) -> Self {
        let Self { v4, v6 } = Self::all();
        if is_v4 { Self { v4, v6: Vec::new() } } else { Self { v4: Vec::new(), v6 } }
    }

    /// The addresses of some blocks. A block within `::ffff:0:0/96` counts as IPv4.
    #[must_use]
    pub fn of_blocks(blocks: impl IntoIterator<Item = IpNet>) -> Self {
        let mut set = Self::default();
        for block in blocks {
            match block {
                IpNet::V4(block) => {
                    set.v4.push((
                        u32::from(block.network()).into(),
                        u32::from(block.broadcast()).into(),
                    ));
                }
                IpNet::V6(block) => {
                    match (block.network().to_ipv4_mapped(), block.broadcast().to_ipv4_mapped()) {
                        (Some(first), Some(last)) => {
                            set.v4.push((u32::from(first).into(), u32::from(last).into()));
                        }
                        _ => set.v6.push((block.network().into(), block.broadcast().into())),
                    }
                }
            }
        }
        Self { v4: normal(set.v4), v6: normal(set.v6) }
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let join = |a: &Intervals, b: &Intervals| normal(a.iter().chain(b).copied().collect());
        Self { v4: join(&self.v4, &other.v4), v6: join(&self.v6, &other.v6) }
    }

    /// What is in any of them.
    #[must_use]
    pub fn union_of<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Self {
        let (mut v4, mut v6) = (Intervals::new(), Intervals::new());
        for set in sets {
            v4.extend(&set.v4);
            v6.extend(&set.v6);
        }
        Self { v4: normal(v4), v6: normal(v6) }
    }

    /// Its IPv4 addresses.
    #[must_use]
    pub fn v4(&self) -> Self {
        Self { v4: self.v4.clone(), v6: Intervals::new() }
    }

    /// Its IPv6 addresses.
    #[must_use]
    pub fn v6(&self) -> Self {
        Self { v4: Intervals::new(), v6: self.v6.clone() }
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self { v4: meet(&self.v4, &other.v4), v6: meet(&self.v6, &other.v6) }
    }

    /// What is in this one only.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self {
            v4: meet(&self.v4, &complement(&other.v4, LAST_V4)),
            v6: meet(&self.v6, &complement(&other.v6, u128::MAX)),
        }
    }

    /// Whether every address of this one is in the other.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.intersection(other) == *self
    }

    /// Whether it is the other set in each family in which it has anything.
    #[must_use]
    pub fn is_whole_in_each_family(&self, other: &Self) -> bool {
        let is_whole = |own: &Intervals, all: &Intervals| own.is_empty() || own == all;
        is_whole(&self.v4, &other.v4) && is_whole(&self.v6, &other.v6)
    }

    /// Whether there is no address in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether it has an IPv4 address.
    #[must_use]
    pub fn has_v4(&self) -> bool {
        !self.v4.is_empty()
    }

    /// Whether it has an IPv6 address.
    #[must_use]
    pub fn has_v6(&self) -> bool {
        !self.v6.is_empty()
    }

    /// Whether the address is in it; a binary search.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (intervals, number) = match address.to_canonical() {
            IpAddr::V4(v4) => (&self.v4, u128::from(u32::from(v4))),
            IpAddr::V6(v6) => (&self.v6, u128::from(v6)),
        };
        let after = intervals.partition_point(|(first, _)| *first <= number);
        after.checked_sub(1).is_some_and(|at| number <= intervals[at].1)
    }

    /// The fewest blocks that make up the set, IPv4 first, ascending.
    pub fn blocks(&self) -> impl Iterator<Item = IpNet> {
        let v4 = self.v4.iter().flat_map(|(first, last)| {
            Ipv4Subnets::new(v4_of(*first), v4_of(*last), 0).map(|block: Ipv4Net| IpNet::V4(block))
        });
        let v6 = self.v6.iter().flat_map(|(first, last)| {
            Ipv6Subnets::new(Ipv6Addr::from(*first), Ipv6Addr::from(*last), 0)
                .map(|block: Ipv6Net| IpNet::V6(block))
        });
        v4.chain(v6)
    }
}

impl fmt::Display for AddressSet {
    /// Its blocks, separated by commas.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, block) in self.blocks().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{block}")?;
        }
        Ok(())
    }
}

fn v4_of(number: u128) -> Ipv4Addr {
    u32::try_from(number).expect("IPv4 intervals end at 2^32 - 1").into()
}

/// Sorts, then joins what overlaps or touches.
fn normal(mut intervals: Intervals) -> Intervals {
    intervals.sort_unstable();
    let mut joined: Intervals = Vec::with_capacity(intervals.len());
    for (first, last) in intervals {
        match joined.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    joined
}

/// Walks both lists once; what comes out of normal inputs is normal.
fn meet(a: &Intervals, b: &Intervals) -> Intervals {
    let (mut i, mut j) = (0, 0);
    let mut common = Vec::new();
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let (first, last) = (x.0.max(y.0), x.1.min(y.1));
        if first <= last {
            common.push((first, last));
        }
        if x.1 < y.1 { i += 1 } else { j += 1 }
    }
    common
}

fn complement(intervals: &Intervals, end: u128) -> Intervals {
    let mut gaps = Vec::with_capacity(intervals.len() + 1);
    let mut next = Some(0);
    for (first, last) in intervals {
        if let Some(start) = next
            && start < *first
        {
            gaps.push((start, first - 1));
        }
        next = last.checked_add(1);
    }
    if let Some(start) = next
        && start <= end
    {
        gaps.push((start, end));
    }
    gaps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(blocks: &[&str]) -> AddressSet {
        AddressSet::of_blocks(blocks.iter().map(|block| block.parse().unwrap()))
    }

    #[test]
    fn two_halves_are_the_whole() {
        assert_eq!(set(&["0.0.0.0/1", "128.0.0.0/1"]), set(&["0.0.0.0/0"]));
        assert_eq!(set(&["::/1", "8000::/1"]), set(&["::/0"]));
        assert_eq!(set(&["0.0.0.0/0", "::/0"]), AddressSet::all());
    }

    #[test]
    fn a_mapped_block_is_its_ipv4_block() {
        assert_eq!(set(&["::ffff:10.0.0.0/104"]), set(&["10.0.0.0/8"]));
        assert!(set(&["10.0.0.0/8"]).contains("::ffff:10.9.8.7".parse().unwrap()));
    }

    #[test]
    fn prints_the_fewest_blocks() {
        let hole = set(&["10.0.0.0/8"]).difference(&set(&["10.0.0.0/9"]));
        assert_eq!(hole.to_string(), "10.128.0.0/9");
        assert_eq!(AddressSet::all().to_string(), "0.0.0.0/0, ::/0");
    }

    /// Blocks of a tiny world, so that random ones often meet.
    fn small() -> impl Strategy<Value = AddressSet> {
        let block = (0u8..16, 28u8..=32, any::<bool>()).prop_map(|(last, prefix, v4)| {
            let address: IpAddr =
                if v4 { [10, 0, 0, last].into() } else { Ipv6Addr::from(u128::from(last)).into() };
            let prefix = if v4 { prefix } else { prefix + 96 };
            IpNet::new(address, prefix).unwrap().trunc()
        });
        proptest::collection::vec(block, 0..6).prop_map(AddressSet::of_blocks)
    }

    fn world() -> impl Iterator<Item = IpAddr> {
        let v4 = (0..20).map(|last| [10, 0, 0, last].into());
        v4.chain((0..20).map(|last| Ipv6Addr::from(last).into()))
    }

    proptest! {
        #[test]
        fn operations_agree_with_membership(a in small(), b in small()) {
            for x in world() {
                prop_assert_eq!(a.union(&b).contains(x), a.contains(x) || b.contains(x));
                prop_assert_eq!(a.intersection(&b).contains(x), a.contains(x) && b.contains(x));
                prop_assert_eq!(a.difference(&b).contains(x), a.contains(x) && !b.contains(x));
            }
        }

        #[test]
        fn equal_sets_are_equal_values(a in small(), b in small()) {
            prop_assert_eq!(a.union(&b), b.union(&a));
            prop_assert!(a.intersection(&b).is_subset(&a));
            prop_assert_eq!(&a.difference(&b).union(&a.intersection(&b)), &a);
            prop_assert_eq!(AddressSet::of_blocks(a.blocks()), a);
        }
    }
}
