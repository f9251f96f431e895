//! What guardrails mean: what a listener may expose freely, what is granted, and what an exception
//! must say.

mod bounds;
mod file;
mod term;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

pub use bounds::{Bounds, Excess, Few, Flow, Net};
pub use file::GuardrailFile;
pub use term::{Key, Standing, TicketPattern, standing};

use super::{Expiry, claim::Claim};
use crate::{
    address::{Class, Date, class, set::AddressSet},
    config::Spanned,
    diagnostic::Level,
};

/// The limits that one guardrail file sets. Several are held against a service file one by one, and
/// each has to be satisfied: so one more can only narrow.
#[derive(Debug, Clone, Default)]
pub struct Guardrail {
    /// What it is called.
    pub name: String,
    /// Who answers for it.
    pub policy_owner: Option<String>,
    /// What may be exposed without a grant.
    pub may_expose: BTreeSet<Scope>,
    /// What counts as private, where that is less than the registries say.
    pub private_means: Option<AddressSet>,
    /// Where addresses are of another class than the registries say: disjoint.
    pub zones: Vec<Zone>,
    /// Levels of findings by code; they raise, and never lower.
    pub levels: BTreeMap<String, Level>,
    /// What exceptions must say.
    pub terms: Terms,
    /// Grants by id.
    pub grants: BTreeMap<String, Spanned<Grant>>,
    /// What service files may expect away.
    pub suppressions: Suppressions,
    /// What has to hold for every service.
    pub claims: Vec<Spanned<Claim>>,
}

/// What is exposed, from narrow to wide: the words of `may_expose`, of boxes and of zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A path socket.
    Unix,
    /// Addresses of class [`Class::Host`].
    Loopback,
    /// Link-local addresses.
    Link,
    /// Private addresses.
    Private,
    /// Shared addresses.
    Shared,
    /// Public addresses, and those that stand in for them in documentation.
    Public,
    /// Every address of the host, now and later.
    Any,
}

/// A block whose addresses are of a class of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// The block.
    pub block: AddressSet,
    /// What its addresses count as.
    pub scope: Scope,
}

/// What exceptions must say.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The keys they must have.
    pub require: BTreeSet<Key>,
    /// The most days from the approval to the end.
    pub max_days: Option<u32>,
    /// What a ticket looks like.
    pub ticket_pattern: Option<TicketPattern>,
    /// From how many days before the end it is warned of.
    pub warn_before_days: u32,
}

/// Leave for one listener of one service to expose what is in a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The service.
    pub service: String,
    /// The listener.
    pub listener: String,
    /// What may be exposed.
    pub bounds: Bounds,
    /// Why.
    pub reason: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where it was agreed.
    pub ticket: Option<String>,
    /// Who granted it.
    pub approved_by: Option<String>,
    /// Since when it holds; unknown when it was not said or no day.
    pub approved_on: Option<Date>,
    /// Until when.
    pub expires: Expiry,
}

/// What service files may expect away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppressions {
    /// Whether anything.
    pub allowed: bool,
    /// The keys that an expectation must have.
    pub require: BTreeSet<Key>,
    /// The most days that an expectation may have left.
    pub max_days: Option<u32>,
    /// Codes that cannot be expected away.
    pub forbid_codes: BTreeSet<String>,
}

impl Default for Suppressions {
    fn default() -> Self {
        let (require, forbid_codes) = (BTreeSet::new(), BTreeSet::new());
        Self { allowed: true, require, max_days: None, forbid_codes }
    }
}

impl Scope {
    /// All of them, from narrow to wide.
    pub const ALL: [Self; 7] = [
        Self::Unix,
        Self::Loopback,
        Self::Link,
        Self::Private,
        Self::Shared,
        Self::Public,
        Self::Any,
    ];

    /// The word in the language.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::Loopback => "loopback",
            Self::Link => "link",
            Self::Private => "private",
            Self::Shared => "shared",
            Self::Public => "public",
            Self::Any => "any",
        }
    }

    /// What an address of this class counts as. What no listener should be on counts as everything.
    #[must_use]
    pub fn of(class: Class) -> Self {
        match class {
            Class::Host => Self::Loopback,
            Class::Link => Self::Link,
            Class::Private => Self::Private,
            Class::Shared => Self::Shared,
            Class::Public | Class::Special => Self::Public,
            Class::Any | Class::Multicast | Class::Broadcast => Self::Any,
        }
    }

    /// The widest class that counts as this: of a path, that of those who can open it.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::Unix | Self::Loopback => Class::Host,
            Self::Link => Class::Link,
            Self::Private => Class::Private,
            Self::Shared => Class::Shared,
            Self::Public => Class::Public,
            Self::Any => Class::Any,
        }
    }

    /// Whether leave for these is leave for this one: `any` has every address in it, but no path.
    #[must_use]
    pub fn is_in(self, scopes: &BTreeSet<Self>) -> bool {
        scopes.contains(&self) || self != Self::Unix && scopes.contains(&Self::Any)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Guardrail {
    /// The addresses that count as this class for this guardrail.
    #[must_use]
    pub fn addresses_of(&self, class: Class) -> AddressSet {
        let scope = Scope::of(class);
        self.zones.iter().fold(class::addresses_of(class).clone(), |set, zone| {
            if zone.scope == scope { set.union(&zone.block) } else { set.difference(&zone.block) }
        })
    }

    /// Splits addresses by what they count as: each part with its scope and whether it may be
    /// exposed without a grant.
    #[must_use]
    pub fn split(&self, addresses: &AddressSet, class: Class) -> Vec<(Scope, bool)> {
        let mut parts = Vec::new();
        let mut rest = addresses.clone();
        for zone in &self.zones {
            if !rest.intersection(&zone.block).is_empty() {
                parts.push((zone.scope, zone.scope.is_in(&self.may_expose)));
                rest = rest.difference(&zone.block);
            }
        }
        let scope = Scope::of(class);
        let is_free = scope.is_in(&self.may_expose);
        if let (Scope::Private, Some(private)) = (scope, &self.private_means) {
            if !rest.is_subset(private) {
                parts.push((scope, self.may_expose.contains(&Scope::Any)));
            }
            rest = rest.intersection(private);
        }
        if !rest.is_empty() {
            parts.push((scope, is_free));
        }
        parts
    }
}
