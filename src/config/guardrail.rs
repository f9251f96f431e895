//! What was written in a guardrail file: the limits that another owner sets on service files.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Claim, Each, Field, PortRange, Spanned, TextOrList, decode};
use crate::{diagnostic::Diagnostic, source::Source};

/// Reads a guardrail file as far as it can be read, as [`parse`](super::parse) does a service file.
#[must_use]
pub fn parse(source: &Source) -> (Option<Guardrail>, Vec<Diagnostic>) {
    decode::guardrail(source)
}

/// A guardrail file.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guardrail {
    /// Language version.
    pub portcullis_guardrails: Field<u32>,
    /// What it is called in every output.
    pub name: Field<String>,
    /// Who answers for it.
    pub policy_owner: Field<String>,
    /// What a listener may expose with no grant.
    pub may_expose: Field<Each<Spanned<String>>>,
    /// The blocks that count as private; without it, all of RFC 1918 and RFC 4193.
    pub private_means: Field<Each<Spanned<String>>>,
    /// The only places where an address is of another class than the registries say.
    pub zones: Field<Each<Spanned<Zone>>>,
    /// Levels of findings.
    pub lints: Field<Lints>,
    /// What is granted beyond `may_expose`.
    pub exceptions: Field<Exceptions>,
    /// What service files may expect away.
    pub suppressions: Field<Suppressions>,
    /// Claims that every service file must satisfy.
    pub tests: Field<Each<Spanned<Claim>>>,
}

/// A block whose addresses are of a class of their own.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// The block.
    pub cidr: Field<String>,
    /// Its class.
    pub class: Field<String>,
    /// Why it is not what the registries say.
    pub why: Field<String>,
}

/// Levels of findings, by code.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lints {
    /// Refused, and no service file can expect them away.
    pub forbid: Field<Each<Spanned<String>>>,
    /// Refused.
    pub error: Field<Each<Spanned<String>>>,
    /// Said.
    pub warn: Field<Each<Spanned<String>>>,
}

/// What is granted, and what a grant must say.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exceptions {
    /// The keys that grants and the `allow` of listeners must have.
    pub require: Field<Each<Spanned<String>>>,
    /// The longest time from `approved_on` to `expires`, in days.
    pub max_days: Field<u32>,
    /// A regular expression for `ticket`.
    pub ticket_pattern: Field<String>,
    /// From how many days before its end an exception is warned of.
    pub warn_before_days: Field<u32>,
    /// The grants.
    pub grants: Field<Each<Spanned<Grant>>>,
}

/// Leave for one listener of one service to expose what is in a box.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// By what an `allow` names it.
    pub id: Field<String>,
    /// The service.
    pub service: Field<String>,
    /// The listener.
    pub listener: Field<String>,
    /// What may be exposed.
    pub r#box: Field<Bounds>,
    /// Why.
    pub reason: Field<String>,
    /// Who answers for it.
    pub owner: Field<String>,
    /// Where it was agreed.
    pub ticket: Field<String>,
    /// Who granted it.
    pub approved_by: Field<String>,
    /// The day on which it was granted, UTC.
    pub approved_on: Field<String>,
    /// Last day, UTC, as written.
    pub expires: Field<String>,
}

/// A box: every flow that has one of each of these.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// What is exposed.
    pub classes: Field<Each<Spanned<String>>>,
    /// `v4`, `v6`.
    pub families: Field<Each<Spanned<String>>>,
    /// `tcp` or `udp`.
    pub protocol: Field<String>,
    /// Ports and ranges of them.
    pub ports: Field<Each<Spanned<PortRange>>>,
    /// `any`, or blocks.
    pub clients: Field<TextOrList>,
    /// `any`, or upstreams, addresses as the listener writes them, `status`.
    pub upstreams: Field<TextOrList>,
}

/// What service files may expect away.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Suppressions {
    /// Whether anything.
    pub allowed: Field<bool>,
    /// The keys that an expectation must have.
    pub require: Field<Each<Spanned<String>>>,
    /// The most days that an expectation may have left.
    pub max_days: Field<u32>,
    /// Codes that cannot be expected away.
    pub forbid_codes: Field<Each<Spanned<String>>>,
}
