//! Where a connection arrives: an address, every address, a path, or a symbol for what the host
//! will tell.

use std::{fmt, net::IpAddr, path::PathBuf};

use ipnet::IpNet;

use super::{Accept, Answer, Destination, Device};
use crate::{
    address::{Class, classify},
    policy::{Family, Place},
};

/// The near end of a flow. Two that are equal mean the same on every host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Local {
    /// A path socket.
    Path(PathBuf),
    /// This address.
    One {
        /// Never v4-mapped.
        address: IpAddr,
        /// The link it is on, for link-local IPv6.
        zone: Option<String>,
    },
    /// Every address of the family, now and later: larger than any list of addresses.
    Every(Family),
    /// A symbol: the one address of the class inside the block.
    InBlock {
        /// The class.
        class: Class,
        /// The block.
        block: IpNet,
    },
    /// A symbol: addresses of the class on the interface.
    On {
        /// The class.
        class: Class,
        /// The family.
        family: Family,
        /// The interface.
        interface: String,
        /// How many of them.
        which: Which,
    },
}

/// Which addresses of a class on an interface, from few to many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// The only one.
    One,
    /// All but temporary ones, as they come and go.
    Stable,
    /// All, as they come and go.
    All,
}

impl Local {
    /// Where the connections of an accept arrive.
    #[must_use]
    pub fn of(accept: &Accept) -> Vec<Self> {
        let family = accept.family();
        match (&accept.destination, &accept.side.place) {
            (Destination::Open, _) => vec![Self::Every(family)],
            (Destination::One(address), _) => {
                let link_local = address.is_ipv6() && classify(*address) == Class::Link;
                let zone = match &accept.device {
                    Device::Named(name) if link_local => Some(name.clone()),
                    _ => zone_of(&accept.side.place),
                };
                vec![Self::One { address: *address, zone }]
            }
            // A block of one address is that address, whatever the host.
            (Destination::Within(_), Place::Subnet { block, .. })
                if block.prefix_len() == block.max_prefix_len() =>
            {
                vec![Self::One { address: block.addr(), zone: None }]
            }
            (Destination::Within(_), Place::Subnet { class, block }) => {
                vec![Self::InBlock { class: *class, block: *block }]
            }
            (Destination::Within(_), Place::OneOf { class, interface }) => {
                let interface = interface.clone();
                vec![Self::On { class: *class, family, interface, which: Which::One }]
            }
            (Destination::Within(_), Place::Interface { interface, classes, temporary }) => {
                let which = if *temporary { Which::All } else { Which::Stable };
                let on = |class: &Class| Self::On {
                    class: *class,
                    family,
                    interface: interface.clone(),
                    which,
                };
                classes.iter().map(on).collect()
            }
            (Destination::Within(_), Place::Loopback | Place::Address { .. } | Place::Any) => {
                Vec::new()
            }
        }
    }

    /// The class of its addresses: who can be at the other end.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Path(_) => Class::Host,
            Self::One { address, .. } => classify(*address),
            Self::Every(_) => Class::Any,
            Self::InBlock { class, .. } | Self::On { class, .. } => *class,
        }
    }

    /// The family of its addresses; none of a path.
    #[must_use]
    pub fn family(&self) -> Option<Family> {
        let of = |v4| if v4 { Family::V4 } else { Family::V6 };
        match self {
            Self::Path(_) => None,
            Self::One { address, .. } => Some(of(address.is_ipv4())),
            Self::Every(family) | Self::On { family, .. } => Some(*family),
            Self::InBlock { block, .. } => Some(of(block.addr().is_ipv4())),
        }
    }

    /// The block that its addresses are in, if it is known.
    #[must_use]
    pub fn block(&self) -> Option<IpNet> {
        match self {
            Self::One { address, .. } => Some(IpNet::from(*address)),
            Self::InBlock { block, .. } => Some(*block),
            Self::Path(_) | Self::Every(_) | Self::On { .. } => None,
        }
    }

    /// Whether the address is one of its own, whatever link it is on.
    #[must_use]
    pub fn may_hold(&self, address: IpAddr) -> Answer {
        match self {
            Self::One { address: own, .. } if *own == address => Answer::Yes,
            Self::One { .. } => Answer::No,
            _ => Self::One { address, zone: None }.is_within(self),
        }
    }

    /// Whether all of it is in the other, on every host that both files can be run on.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> Answer {
        if self == other {
            return Answer::Yes;
        }
        match (self, other) {
            _ if self.family() != other.family() => Answer::No,
            (_, Self::Every(_)) if self.family().is_some() => Answer::Yes,
            // What is open is never inside what is not.
            (Self::Path(_), _) | (_, Self::Path(_)) | (Self::Every(_), _) => Answer::No,
            (Self::One { .. }, Self::One { .. }) => Answer::No,
            _ if self.class() != other.class() => Answer::No,
            // A host on which the outer block means something has one address in it, so whatever
            // the inner block means there is that address.
            (Self::InBlock { block, .. }, Self::InBlock { block: outer, .. }) => {
                match (outer.contains(block), block.contains(outer)) {
                    (true, _) => Answer::Yes,
                    (_, true) => Answer::Perhaps,
                    _ => Answer::No,
                }
            }
            (Self::InBlock { block, .. }, Self::One { address, .. })
            | (Self::One { address, .. }, Self::InBlock { block, .. }) => {
                if block.contains(address) { Answer::Perhaps } else { Answer::No }
            }
            (
                Self::On { interface, which, .. },
                Self::On { interface: other, which: others, .. },
            ) if interface == other => {
                if which <= others {
                    Answer::Yes
                } else {
                    Answer::No
                }
            }
            // Addresses that come and go are more than any one that is there now.
            (
                Self::On { which: Which::Stable | Which::All, .. },
                Self::One { .. } | Self::InBlock { .. },
            ) => Answer::No,
            _ => Answer::Perhaps,
        }
    }
}

fn zone_of(place: &Place) -> Option<String> {
    match place {
        Place::Address { zone, .. } => zone.clone(),
        _ => None,
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "unix:{}", path.display()),
            Self::One { address, zone: None } => address.fmt(f),
            Self::One { address, zone: Some(zone) } => write!(f, "{address}%{zone}"),
            Self::Every(family) => write!(f, "every {family} address"),
            Self::InBlock { block, .. } => write!(f, "the address in {block}"),
            Self::On { class, family, interface, which } => {
                let which = match which {
                    Which::One => "the",
                    Which::Stable => "every stable",
                    Which::All => "every",
                };
                write!(f, "{which} {class} {family} address on {interface}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(address: &str) -> Local {
        Local::One { address: address.parse().unwrap(), zone: None }
    }

    fn inside(block: &str) -> Local {
        Local::InBlock { class: Class::Private, block: block.parse().unwrap() }
    }

    fn on(interface: &str, which: Which) -> Local {
        let interface = interface.to_owned();
        Local::On { class: Class::Private, family: Family::V4, interface, which }
    }

    #[test]
    fn symbols_are_compared_through_their_bounds() {
        use Answer::{No, Perhaps, Yes};
        let every = Local::Every(Family::V4);
        for (inner, outer, answer) in [
            (one("10.0.0.1"), one("10.0.0.1"), Yes),
            (one("10.0.0.1"), one("10.0.0.2"), No),
            (one("10.0.0.1"), every.clone(), Yes),
            (one("fd00::1"), every.clone(), No),
            (every.clone(), one("10.0.0.1"), No),
            (every.clone(), inside("10.0.0.0/8"), No),
            (every.clone(), on("eth0", Which::All), No),
            (inside("10.0.0.0/8"), every, Yes),
            (inside("10.1.0.0/16"), inside("10.0.0.0/8"), Yes),
            (inside("10.0.0.0/8"), inside("10.1.0.0/16"), Perhaps),
            (inside("10.1.0.0/16"), inside("10.2.0.0/16"), No),
            (one("10.1.0.1"), inside("10.1.0.0/16"), Perhaps),
            (inside("10.1.0.0/16"), one("10.1.0.1"), Perhaps),
            (one("8.8.8.8"), inside("10.1.0.0/16"), No),
            (on("eth0", Which::One), on("eth0", Which::Stable), Yes),
            (on("eth0", Which::Stable), on("eth0", Which::One), No),
            (on("eth0", Which::Stable), on("eth0", Which::All), Yes),
            (on("eth0", Which::One), on("eth1", Which::One), Perhaps),
            (on("eth0", Which::Stable), one("10.0.0.1"), No),
            (one("10.0.0.1"), on("eth0", Which::Stable), Perhaps),
            (one("127.0.0.1"), on("eth0", Which::Stable), No),
            (Local::Path("/a".into()), Local::Path("/a".into()), Yes),
            (Local::Path("/a".into()), Local::Path("/b".into()), No),
        ] {
            assert_eq!(inner.is_within(&outer), answer, "{inner} within {outer}");
        }
    }
}
