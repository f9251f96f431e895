//! What a file claims of itself: who reaches what, to be proved, and which findings it expects.

use super::{Expiry, ListenerId, UpstreamId};
use crate::address::{read::Endpoint, set::AddressSet};

/// A claim over whole sets of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What it claims, in words; no two of a file have the same.
    pub name: String,
    /// From which addresses.
    pub from: AddressSet,
    /// To what.
    pub to: Target,
    /// What is claimed.
    pub outcome: Outcome,
    /// What is taken for granted.
    pub assume: Assume,
}

/// Which assumptions about the network around the host keep clients away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Assume {
    /// All that the answers of this program rest on.
    #[default]
    All,
    /// None: a client is kept away by the kernel or by a list of clients, or it is not.
    None,
}

/// The far end of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Whatever leads to this group.
    Upstream(UpstreamId),
    /// This listener.
    Listener(ListenerId),
    /// Whatever leads to a sensitive service of this group, by its port or path.
    Group(String),
    /// Whatever leads to a backend with this address.
    Address(Endpoint),
}

/// What a claim says of every flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of them are served.
    Served,
    /// None of them is served.
    Unreachable,
    /// None of them gets as far as a handshake.
    Invisible,
}

impl Assume {
    /// The word in the language and in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::None => "none",
        }
    }
}

/// A finding that a file expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The rule's code, as written.
    pub code: String,
    /// The listener.
    pub listener: String,
    /// Why it is so by intention.
    pub reason: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Until when.
    pub expires: Expiry,
}
