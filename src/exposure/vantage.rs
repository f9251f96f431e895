//! Where clients are, in the seven words that people judge by.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use crate::{
    address::{Class, class::addresses_of, set::AddressSet},
    policy::{Family, governance::Guardrail},
};

/// Where a client is, from near to far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vantage {
    /// This host.
    Host,
    /// A neighbour on the link.
    Link,
    /// Private space.
    Private,
    /// The shared space of carriers.
    Shared,
    /// The internet, over IPv4.
    Public4,
    /// The internet, over IPv6.
    Public6,
    /// Space that is nobody's: documentation, benchmarks, reserves.
    Special,
}

/// How many of those at a vantage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// Nobody.
    None,
    /// Not all.
    Some,
    /// Everybody, in every family that is in use.
    All,
}

impl Vantage {
    /// From near to far.
    pub const ALL: [Self; 7] = [
        Self::Host,
        Self::Link,
        Self::Private,
        Self::Shared,
        Self::Public4,
        Self::Public6,
        Self::Special,
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Link => "link",
            Self::Private => "private",
            Self::Shared => "shared",
            Self::Public4 => "public4",
            Self::Public6 => "public6",
            Self::Special => "special",
        }
    }

    /// Who is there.
    #[must_use]
    pub fn addresses(self) -> &'static AddressSet {
        static SETS: LazyLock<[AddressSet; 7]> =
            LazyLock::new(|| Vantage::ALL.map(Vantage::gather));
        &SETS[self as usize]
    }

    /// How many of those who are there are in the set.
    #[must_use]
    pub fn extent(self, clients: &AddressSet) -> Extent {
        let here = clients.intersection(self.addresses());
        match here.is_empty() {
            true => Extent::None,
            false if here.is_whole_in_each_family(self.addresses()) => Extent::All,
            false => Extent::Some,
        }
    }

    fn gather(self) -> AddressSet {
        match self {
            Self::Host => addresses_of(Class::Host).clone(),
            Self::Link => addresses_of(Class::Link).clone(),
            Self::Private => addresses_of(Class::Private).clone(),
            Self::Shared => addresses_of(Class::Shared).clone(),
            Self::Public4 => addresses_of(Class::Public).v4(),
            Self::Public6 => addresses_of(Class::Public).v6(),
            Self::Special => {
                let named =
                    [Class::Host, Class::Link, Class::Private, Class::Shared, Class::Public];
                AddressSet::all().difference(&AddressSet::union_of(named.map(addresses_of)))
            }
        }
    }
}

impl fmt::Display for Vantage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Who is near: for addresses of each class, who can send to them under the assumptions A1 to A3.
/// Those can who are as near or nearer.
#[derive(Debug, Clone)]
pub struct Senders([[Arc<AddressSet>; 3]; 5]);

impl Senders {
    /// As the registries have the classes.
    #[must_use]
    pub fn registered() -> &'static Self {
        static SENDERS: LazyLock<Senders> =
            LazyLock::new(|| Senders::of(|class| addresses_of(class).clone()));
        &SENDERS
    }

    /// As a guardrail has them.
    #[must_use]
    pub fn by(guardrail: &Guardrail) -> Self {
        Self::of(|class| guardrail.addresses_of(class))
    }

    /// Who can send to addresses of this class. A path socket has the processes of this host, which
    /// stand for both families.
    #[must_use]
    pub fn to(&self, class: Class, family: Option<Family>) -> &Arc<AddressSet> {
        let reach = match class {
            Class::Host => 0,
            Class::Link => 1,
            Class::Private => 2,
            Class::Shared => 3,
            // Nobody's addresses too: what routes them here decides who comes.
            Class::Public | Class::Any | Class::Multicast | Class::Broadcast | Class::Special => 4,
        };
        let family = match family {
            Some(Family::V4) => 0,
            Some(Family::V6) => 1,
            None => 2,
        };
        &self.0[reach][family]
    }

    fn of(addresses: impl Fn(Class) -> AddressSet) -> Self {
        let near = [Class::Host, Class::Link, Class::Private, Class::Shared].map(addresses);
        let up_to = |count: usize| AddressSet::union_of(near.iter().take(count));
        let sets = [up_to(1), up_to(2), up_to(3), up_to(4), AddressSet::all()];
        Self(sets.map(|all| [Arc::new(all.v4()), Arc::new(all.v6()), Arc::new(all)]))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn every_address_has_one_vantage() {
        let all = AddressSet::union_of(Vantage::ALL.map(Vantage::addresses));
        assert_eq!(all, AddressSet::all());
        for vantage in Vantage::ALL {
            let others = Vantage::ALL.into_iter().filter(|other| *other != vantage);
            let others = AddressSet::union_of(others.map(Vantage::addresses));
            assert!(vantage.addresses().intersection(&others).is_empty(), "{vantage}");
        }
    }

    #[test]
    fn those_who_are_near_are_let_in_wherever_those_who_are_far_are() {
        let classes = [Class::Host, Class::Link, Class::Private, Class::Shared, Class::Public];
        for pair in classes.windows(2) {
            let [near, far] = [pair[0], pair[1]].map(|class| Senders::registered().to(class, None));
            assert!(near.is_subset(far) && near != far, "{pair:?}");
        }
    }

    #[test]
    fn all_means_all_of_every_family_that_is_there() {
        let v4 = Vantage::Host.addresses().v4();
        assert_eq!(Vantage::Host.extent(&v4), Extent::All);
        assert_eq!(
            Vantage::Host.extent(&AddressSet::of_blocks([IpAddr::from([127, 0, 0, 1]).into()])),
            Extent::Some
        );
        assert_eq!(Vantage::Host.extent(&Vantage::Link.addresses().clone()), Extent::None);
    }
}
