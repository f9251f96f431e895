//! What was written to be held against the file itself: claims to prove, and findings to expect.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Field, TextOrList};

/// A suppression.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The rule.
    pub code: Field<String>,
    /// The listener.
    pub listener: Field<String>,
    /// Why.
    pub reason: Field<String>,
    /// Who answers for it.
    pub owner: Field<String>,
    /// Last day, UTC.
    pub expires: Field<String>,
}

/// A claim to be proved.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// What it claims, in words.
    pub name: Field<String>,
    /// From where: a class of addresses, a network, a block, or several of these.
    pub from: Field<TextOrList>,
    /// To what.
    pub to: Field<Destination>,
    /// `served`, `unreachable` or `invisible`.
    pub expect: Field<String>,
    /// `all` or `none`: whether what is assumed of the network keeps anybody away.
    pub assume: Field<String>,
}

/// The far end of a claim: one of its keys.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// A group of backends.
    pub upstream: Field<String>,
    /// A listener.
    pub listener: Field<String>,
    /// A group of sensitive ports.
    pub group: Field<String>,
    /// A backend's address, with or without its port.
    pub address: Field<String>,
}
