//! Whether a keyword tells the truth about the address beside it. One verdict for all rules that
//! ask, so that one cause gives one finding.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{
    address::{Class, class, classify, registry, set::AddressSet},
    policy::Place,
};

/// What is to be said of a keyword and its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Assertion {
    /// It holds, or only the host can tell.
    Holds,
    /// The address is of another class than the keyword says.
    Mismatch(Class),
    /// The keyword is `public`, and the address stands in for a public one but is nobody's: the
    /// name of its block.
    StandIn(&'static str),
    /// It is a group or broadcast address, at which nobody can be reached.
    Group(Class),
}

/// Judges the keyword of a place.
pub(super) fn judge(place: &Place) -> Assertion {
    match place {
        Place::Address { class, address, .. } => judge_class(*class, classify(*address), *address),
        Place::Subnet { class, block } => judge_block(*class, block),
        Place::Loopback | Place::OneOf { .. } | Place::Interface { .. } | Place::Any => {
            Assertion::Holds
        }
    }
}

/// Whether shared space stands under `private`: common enough to have a finding of its own.
pub(super) fn is_shared_as_private(place: &Place) -> bool {
    let declared = match place {
        Place::Address { class, .. } | Place::Subnet { class, .. } => *class,
        _ => return false,
    };
    declared == Class::Private && judge(place) == Assertion::Mismatch(Class::Shared)
}

fn judge_class(declared: Class, found: Class, address: IpAddr) -> Assertion {
    match found {
        _ if found == declared => Assertion::Holds,
        Class::Multicast | Class::Broadcast => Assertion::Group(found),
        Class::Special if declared == Class::Public => {
            Assertion::StandIn(registry::record(address).map_or("reserved", |record| record.name))
        }
        _ => Assertion::Mismatch(found),
    }
}

/// A block that holds some addresses of the class may turn out right on the host.
fn judge_block(declared: Class, block: &IpNet) -> Assertion {
    let all = AddressSet::of_blocks([*block]);
    if !all.intersection(class::addresses_of(declared)).is_empty() {
        return Assertion::Holds;
    }
    // The network address of 0.0.0.0/8 and ::/96 is the unspecified one, which says nothing of the
    // rest.
    let found = match classify(block.network()) {
        Class::Any => classify(block.broadcast()),
        class => class,
    };
    judge_class(declared, found, block.network())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(class: Class, text: &str) -> Assertion {
        let address = text.parse().unwrap();
        judge(&Place::Address { class, address, zone: None })
    }

    fn subnet(class: Class, text: &str) -> Assertion {
        judge(&Place::Subnet { class, block: text.parse().unwrap() })
    }

    #[test]
    fn one_address_has_one_verdict() {
        for (class, text, verdict) in [
            (Class::Private, "10.20.3.4", Assertion::Holds),
            (Class::Private, "fd12::1", Assertion::Holds),
            (Class::Private, "8.8.8.8", Assertion::Mismatch(Class::Public)),
            (Class::Private, "100.64.0.1", Assertion::Mismatch(Class::Shared)),
            (Class::Private, "203.0.113.10", Assertion::Mismatch(Class::Special)),
            (Class::Private, "127.0.0.1", Assertion::Mismatch(Class::Host)),
            (Class::Public, "203.0.113.10", Assertion::StandIn("documentation (TEST-NET-3)")),
            (Class::Public, "4000::1", Assertion::StandIn("reserved")),
            (Class::Public, "10.0.0.1", Assertion::Mismatch(Class::Private)),
            (Class::Public, "224.0.0.1", Assertion::Group(Class::Multicast)),
            (Class::Private, "255.255.255.255", Assertion::Group(Class::Broadcast)),
            (Class::Public, "ff02::1", Assertion::Group(Class::Multicast)),
        ] {
            assert_eq!(address(class, text), verdict, "{class} {text}");
        }
    }

    #[test]
    fn a_block_is_judged_by_what_it_can_hold() {
        for (class, text, verdict) in [
            (Class::Private, "10.20.0.0/16", Assertion::Holds),
            (Class::Private, "192.0.0.0/5", Assertion::Holds),
            (Class::Private, "0.0.0.0/0", Assertion::Holds),
            (Class::Private, "8.0.0.0/8", Assertion::Mismatch(Class::Public)),
            (Class::Private, "198.51.100.0/24", Assertion::Mismatch(Class::Special)),
            (Class::Private, "0.0.0.0/8", Assertion::Mismatch(Class::Special)),
            (Class::Public, "2001:db8::/32", Assertion::StandIn("documentation")),
            (Class::Public, "224.0.0.0/8", Assertion::Group(Class::Multicast)),
        ] {
            assert_eq!(subnet(class, text), verdict, "{class} {text}");
        }
    }
}
