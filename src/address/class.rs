//! The class of an address: who, by the meaning of the block it lies in, can be at the other end.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::LazyLock,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{registry, set::AddressSet};

/// From narrow to wide, then the side classes that no listener should be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// This host only: loopback.
    Host,
    /// The neighbours on one link.
    Link,
    /// RFC 1918 and RFC 4193 space.
    Private,
    /// RFC 6598 space, 100.64.0.0/10: behind a carrier's NAT these are other customers.
    Shared,
    /// Globally reachable.
    Public,
    /// Every address of the host, now and later.
    Any,
    /// A group address.
    Multicast,
    /// Everyone on the link at once.
    Broadcast,
    /// Documentation, benchmarking, reserved and the like: nobody's address.
    Special,
}

impl Class {
    /// The word in the language and in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Link => "link",
            Self::Private => "private",
            Self::Shared => "shared",
            Self::Public => "public",
            Self::Any => "any",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Special => "special",
        }
    }

    /// The classes that an interface may be asked for.
    pub const OF_INTERFACE: [Self; 4] = [Self::Link, Self::Private, Self::Shared, Self::Public];

    /// The class of this word among [`Self::OF_INTERFACE`].
    #[must_use]
    pub fn of_interface(word: &str) -> Option<Self> {
        Self::OF_INTERFACE.into_iter().find(|class| class.word() == word)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The class of an address by the longest matching prefix of the IANA special-purpose registries.
///
/// A v4-mapped address has the class of the IPv4 address in it, and so has one behind the
/// well-known NAT64 prefix (RFC 6052). What no record covers is public in IPv4 and in `2000::/3`,
/// and special in the rest of IPv6, which the IETF holds back.
#[must_use]
pub fn classify(address: IpAddr) -> Class {
    match address.to_canonical() {
        IpAddr::V4(v4) => registry::record(v4.into()).map_or(Class::Public, |record| record.class),
        IpAddr::V6(v6) => match registry::record(v6.into()) {
            Some(record) if record.name == registry::NAT64 => {
                let [.., a, b, c, d] = v6.octets();
                classify(IpAddr::from([a, b, c, d]))
            }
            Some(record) => record.class,
            None if v6.segments()[0] & 0xe000 == 0x2000 => Class::Public,
            None => Class::Special,
        },
    }
}

/// All addresses of a class: what [`classify`] says, as a set. Addresses behind the NAT64 prefix
/// are in none, for no host has one.
#[must_use]
pub fn addresses_of(class: Class) -> &'static AddressSet {
    // Asked for every listener of a file, and always the same.
    static SETS: LazyLock<BTreeMap<Class, AddressSet>> =
        LazyLock::new(|| ALL.into_iter().map(|class| (class, gather(class))).collect());
    &SETS[&class]
}

fn gather(class: Class) -> AddressSet {
    let public = AddressSet::of_blocks(UNLISTED_PUBLIC);
    let mut set = match class {
        Class::Public => public,
        Class::Special => AddressSet::all().difference(&public),
        _ => AddressSet::default(),
    };
    for record in registry::from_wide_to_narrow() {
        let block = AddressSet::of_blocks([record.block()]);
        let belongs = record.class == class && record.name != registry::NAT64;
        set = if belongs { set.union(&block) } else { set.difference(&block) };
    }
    set
}

const ALL: [Class; 9] = [
    Class::Host,
    Class::Link,
    Class::Private,
    Class::Shared,
    Class::Public,
    Class::Any,
    Class::Multicast,
    Class::Broadcast,
    Class::Special,
];

/// What is public where no record says otherwise: all of IPv4, and `2000::/3`.
const UNLISTED_PUBLIC: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Addresses at, and one beside, the ends of every record: where classes change.
    fn edges() -> Vec<IpAddr> {
        let ends = registry::from_wide_to_narrow().into_iter().flat_map(|record| {
            let block = record.block();
            [block.network(), block.broadcast()]
        });
        ends.flat_map(|end| match end {
            IpAddr::V4(v4) => [-1, 0, 1]
                .map(|by| IpAddr::from(Ipv4Addr::from(u32::from(v4).wrapping_add_signed(by)))),
            IpAddr::V6(v6) => [-1, 0, 1]
                .map(|by| IpAddr::from(Ipv6Addr::from(u128::from(v6).wrapping_add_signed(by)))),
        })
        .collect()
    }

    fn agrees(address: IpAddr) -> bool {
        let nat64: IpNet = "64:ff9b::/96".parse().unwrap();
        let listed = ALL.iter().filter(|class| addresses_of(**class).contains(address));
        let expected = [classify(address)];
        listed.eq(expected.iter().filter(|_| !nat64.contains(&address)))
    }

    #[test]
    fn every_address_is_in_the_set_of_its_class_and_no_other() {
        for address in edges() {
            assert!(agrees(address), "{address}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn sets_and_classes_agree_anywhere(v4: u32, v6: u128) {
            prop_assert!(agrees(Ipv4Addr::from(v4).into()));
            prop_assert!(agrees(Ipv6Addr::from(v6).into()));
        }
    }

    #[test]
    fn takes_the_longest_matching_record() {
        for (address, class) in [
            ("0.0.0.0", Class::Any),
            ("0.0.0.1", Class::Special),
            ("10.1.2.3", Class::Private),
            ("100.63.255.255", Class::Public),
            ("100.64.0.1", Class::Shared),
            ("100.128.0.0", Class::Public),
            ("127.255.0.1", Class::Host),
            ("169.254.169.254", Class::Link),
            ("172.32.0.1", Class::Public),
            ("192.0.0.8", Class::Special),
            ("192.0.0.9", Class::Public),
            ("192.0.0.171", Class::Special),
            ("192.88.99.2", Class::Special),
            ("198.51.100.7", Class::Special),
            ("203.0.113.10", Class::Special),
            ("224.0.0.1", Class::Multicast),
            ("255.255.255.254", Class::Special),
            ("255.255.255.255", Class::Broadcast),
            ("8.8.8.8", Class::Public),
            ("::", Class::Any),
            ("::1", Class::Host),
            ("::127.0.0.1", Class::Special),
            ("::ffff:10.0.0.1", Class::Private),
            ("::ffff:0.0.0.0", Class::Any),
            ("64:ff9b::10.0.0.1", Class::Private),
            ("64:ff9b:1::1", Class::Special),
            ("100::1", Class::Special),
            ("100:0:0:1::1", Class::Special),
            ("2001::1", Class::Public),
            ("2001:1::3", Class::Public),
            ("2001:1::4", Class::Special),
            ("2001:db8::1", Class::Special),
            ("2002:7f00:1::", Class::Public),
            ("2a00:1450::1", Class::Public),
            ("3fff::1", Class::Special),
            ("4000::1", Class::Special),
            ("fc00::1", Class::Private),
            ("fd12::1", Class::Private),
            ("fe80::1", Class::Link),
            ("fec0::1", Class::Special),
            ("ff02::1", Class::Multicast),
        ] {
            assert_eq!(classify(address.parse().unwrap()), class, "{address}");
        }
    }
}
