//! Whom a listener serves: the widest class of client that reaches it and is let in.
//!
//! It goes by the classes that the file asserts. An address of another class than its keyword says
//! is a finding of its own, and needs no second one about what that would mean.

use std::sync::Arc;

use crate::{
    address::{Class, class, set::AddressSet},
    diagnostic::Level,
    exposure::{
        asserted,
        sensitive::Weight,
        vantage::{Extent, Senders, Vantage},
    },
    policy::{Expose, Family, Listener, Side},
};

/// Whom a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Served {
    /// The widest class of client.
    pub(super) scope: Scope,
    /// Whether `clients` names some of them, rather than leaving everyone in.
    pub(super) named: bool,
}

/// A class of client, narrowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    Private,
    Shared,
    Public,
}

/// Of the addresses of a family that are public, a list may leave out less than one in so many and
/// still let in everyone: a list of all blocks but one's own is a list in form only.
const LEFT_OUT_OF_EVERYONE: u128 = 16;

/// What to write where too many are served.
pub(super) const NAME_THEM: &str = "or name who is to be served: `clients: { allow: […] }`";

impl Served {
    /// Whom a listener serves; nobody but this host, or whom a path's permissions admit, is `None`.
    pub(super) fn by(listener: &Listener) -> Option<Self> {
        let Expose::Ip(sides) = &listener.expose else { return None };
        let all = sides.iter().filter_map(|side| Self::over(side, listener));
        // The widest counts, and of two as wide the one that names nobody.
        all.max_by_key(|served| (served.scope, !served.named))
    }

    fn over(side: &Side, listener: &Listener) -> Option<Self> {
        let served = listener.admitted(senders(side)?);
        let has = |vantage: Vantage| vantage.extent(&served) != Extent::None;
        let scope = if has(Vantage::Public4) || has(Vantage::Public6) {
            Scope::Public
        } else if has(Vantage::Shared) {
            Scope::Shared
        } else if has(Vantage::Private) || has(Vantage::Link) {
            Scope::Private
        } else {
            return None;
        };
        let is_listed = |clients: &AddressSet| !covers_everyone(clients, side.family);
        Some(Self { scope, named: listener.clients.as_ref().is_some_and(is_listed) })
    }

    /// How much it weighs to serve these clients something sensitive. Named strangers are a
    /// warning; named clients of a private network are what one wants.
    pub(super) fn level(self, weight: Weight) -> Option<Level> {
        match self.scope {
            Scope::Private if self.named => None,
            Scope::Private => weight.private,
            Scope::Shared => self.tempered(weight.shared),
            Scope::Public => self.tempered(weight.public),
        }
    }

    fn tempered(self, level: Option<Level>) -> Option<Level> {
        level.map(|level| if self.named { level.min(Level::Warn) } else { level })
    }

    /// In words, after "serves … to".
    pub(super) fn words(self) -> &'static str {
        match (self.scope, self.named) {
            (Scope::Public, false) => "the internet",
            (Scope::Public, true) => "some of the internet",
            (Scope::Shared, false) => "everybody in shared space",
            (Scope::Shared, true) => "some of shared space",
            (Scope::Private, false) => "everybody on the private network",
            (Scope::Private, true) => "some of the private network",
        }
    }
}

/// Who can send to a side.
fn senders(side: &Side) -> Option<&'static Arc<AddressSet>> {
    let widest = asserted(&side.place).into_iter().max()?;
    Some(Senders::registered().to(widest, Some(side.family)))
}

/// Whether a side is meant for the internet, or for every address.
pub(super) fn is_public(side: &Side) -> bool {
    let everyone = Senders::registered().to(Class::Any, Some(side.family));
    senders(side).is_some_and(|senders| senders == everyone)
}

/// Whether a listener is meant for the internet, or for every address.
pub(super) fn faces_internet(listener: &Listener) -> bool {
    matches!(&listener.expose, Expose::Ip(sides) if sides.iter().any(is_public))
}

/// Whether a list of clients lets in everyone, or nearly: whatever its spelling.
pub(super) fn covers_everyone(clients: &AddressSet, family: Family) -> bool {
    let public = class::addresses_of(Class::Public);
    let left_out = size(&public.difference(clients), family);
    left_out < size(public, family) / LEFT_OUT_OF_EVERYONE
}

/// The public clients of a list, of one family.
pub(super) fn public_clients(clients: &AddressSet, family: Family) -> AddressSet {
    let public = clients.intersection(class::addresses_of(Class::Public));
    AddressSet::of_blocks(public.blocks().filter(|block| block.addr().is_ipv4() == is_v4(family)))
}

/// The first blocks of a set, and how many there are besides.
pub(super) fn few(set: &AddressSet) -> String {
    /// As many as one reads.
    const MAX_SHOWN: usize = 4;
    let mut blocks = set.blocks();
    let shown: Vec<_> = blocks.by_ref().take(MAX_SHOWN).map(|block| block.to_string()).collect();
    match blocks.count() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// How many addresses of the family there are in the set; more than 2^127 count as that many.
fn size(set: &AddressSet, family: Family) -> u128 {
    let blocks = set.blocks().filter(|block| block.addr().is_ipv4() == is_v4(family));
    let sizes =
        blocks.map(|block| 1 << u32::from(block.max_prefix_len() - block.prefix_len()).min(127));
    sizes.fold(0, u128::saturating_add)
}

fn is_v4(family: Family) -> bool {
    family == Family::V4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(blocks: &[&str]) -> AddressSet {
        AddressSet::of_blocks(blocks.iter().map(|block| block.parse().unwrap()))
    }

    #[test]
    fn everyone_is_everyone_however_it_is_spelt() {
        let each: Vec<_> = (0..=255).map(|first| format!("{first}.0.0.0/8")).collect();
        let each: Vec<_> = each.iter().map(String::as_str).collect();
        for (blocks, v4, v6) in [
            (&["0.0.0.0/0"][..], true, false),
            (&["0.0.0.0/1", "128.0.0.0/1"], true, false),
            (&each, true, false),
            // All that can be routed, without what cannot.
            (
                &[
                    "1.0.0.0/8",
                    "2.0.0.0/7",
                    "4.0.0.0/6",
                    "8.0.0.0/5",
                    "16.0.0.0/4",
                    "32.0.0.0/3",
                    "64.0.0.0/2",
                    "128.0.0.0/1",
                ],
                true,
                false,
            ),
            (&each[1..250], true, false),
            (&["0.0.0.0/1"], false, false),
            (&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"], false, false),
            (&["::/0"], false, true),
            (&["2000::/3"], false, true),
            (&["::/1", "8000::/1"], false, true),
            (&["2000::/4"], false, false),
            (&["fc00::/7"], false, false),
            (&["0.0.0.0/0", "::/0"], true, true),
        ] {
            let clients = set(blocks);
            assert_eq!(covers_everyone(&clients, Family::V4), v4, "{blocks:?}");
            assert_eq!(covers_everyone(&clients, Family::V6), v6, "{blocks:?}");
        }
        let all_but = |block: &str| AddressSet::all().difference(&set(&[block]));
        assert!(covers_everyone(&all_but("203.0.113.0/24"), Family::V4));
        assert!(covers_everyone(&all_but("8.0.0.0/8"), Family::V4));
        assert!(!covers_everyone(&all_but("64.0.0.0/4"), Family::V4));
    }

    #[test]
    fn named_clients_weigh_less() {
        let weight = Weight {
            public: Some(Level::Error),
            shared: Some(Level::Error),
            private: Some(Level::Warn),
        };
        for (scope, named, level) in [
            (Scope::Public, false, Some(Level::Error)),
            (Scope::Public, true, Some(Level::Warn)),
            (Scope::Shared, false, Some(Level::Error)),
            (Scope::Shared, true, Some(Level::Warn)),
            (Scope::Private, false, Some(Level::Warn)),
            (Scope::Private, true, None),
        ] {
            assert_eq!(Served { scope, named }.level(weight), level, "{scope:?} {named}");
        }
    }
}
