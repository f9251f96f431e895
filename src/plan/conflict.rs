//! What stands between a policy and a host.

use std::{fmt, net::IpAddr};

use super::{BindKey, build::MAX_SOCKETS};
use crate::{
    address::Class,
    facts::HostAddress,
    policy::{Family, ListenerId},
};

/// Why the host cannot give a listener what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Whose it is.
    pub listener: ListenerId,
    /// The side that is at fault; `None` for a path socket.
    pub family: Option<Family>,
    /// What is in the way.
    pub cause: Cause,
}

/// What is in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// No address of the host fits.
    NoAddress {
        /// What was asked for, in words.
        wanted: String,
        /// The addresses of that family that the host has.
        have: Vec<HostAddress>,
    },
    /// More than one address fits, and choosing would be guessing.
    SeveralAddresses {
        /// What was asked for, in words.
        wanted: String,
        /// Those that fit.
        fit: Vec<HostAddress>,
    },
    /// The host has no such interface.
    NoInterface {
        /// The one asked for.
        name: String,
        /// Those it has.
        have: Vec<String>,
    },
    /// The address found is of another class than the keyword asserts.
    WrongClass {
        /// The address found.
        address: IpAddr,
        /// The class asserted.
        declared: Class,
        /// Its class.
        found: Class,
    },
    /// The host has no IPv6.
    NoIpv6,
    /// Another listener asks for the same, or for something that contains it.
    Overlap {
        /// What this one asks for.
        ours: Box<BindKey>,
        /// The other listener, which may be this one.
        other: ListenerId,
        /// What that one asks for.
        theirs: Box<BindKey>,
    },
    /// The plan would hold more than [`MAX_SOCKETS`].
    TooMany,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress { wanted, .. } => write!(f, "this host lacks {wanted}"),
            Self::SeveralAddresses { wanted, fit } => {
                write!(f, "{} addresses of this host fit {wanted}", fit.len())
            }
            Self::NoInterface { name, .. } => write!(f, "this host has no interface `{name}`"),
            Self::WrongClass { address, declared, found } => {
                write!(f, "{address} is {found}, not {declared}")
            }
            Self::NoIpv6 => f.write_str("this host has no IPv6"),
            Self::Overlap { ours, other, theirs } => {
                write!(f, "{ours} overlaps {theirs} of `{other}`")
            }
            Self::TooMany => write!(f, "the file asks for more than {MAX_SOCKETS} sockets"),
        }
    }
}
