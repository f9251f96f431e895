//! What changes between the guardrails of two sides.

use std::{cmp::Ordering, collections::BTreeSet, fmt::Display};

use super::{Notice, claims, ending, until};
use crate::{
    address::set::AddressSet,
    config::Spanned,
    diagnostic::Level,
    policy::{
        claim::Claim,
        governance::{Few, Grant, Guardrail, GuardrailFile, Key, Terms},
    },
};

/// Compares guardrails by their names.
pub(super) fn compare(notices: &mut Vec<Notice>, old: &[GuardrailFile], new: &[GuardrailFile]) {
    for before in old {
        match new.iter().find(|after| after.name() == before.name()) {
            None => {
                let text = format!("guardrail {} removed", before.name());
                notices.push(Notice::loosened(text));
            }
            Some(after) => {
                let mut of_file = Pair { name: before.name(), notices };
                of_file.compare(&before.meaning, &after.meaning);
            }
        }
    }
    for after in new.iter().filter(|after| !old.iter().any(|one| one.name() == after.name())) {
        notices.push(Notice::tightened(format!("guardrail {} added", after.name())));
    }
}

/// A guardrail in two versions.
struct Pair<'a> {
    name: &'a str,
    notices: &'a mut Vec<Notice>,
}

impl Pair<'_> {
    fn compare(&mut self, old: &Guardrail, new: &Guardrail) {
        if old.policy_owner != new.policy_owner {
            let word =
                |owner: &Option<String>| owner.clone().unwrap_or_else(|| "nobody".to_owned());
            let (old, new) = (word(&old.policy_owner), word(&new.policy_owner));
            self.loosened(format!("policy_owner {old} → {new}"));
        }
        self.words("may_expose", &old.may_expose, &new.may_expose);
        self.private(old.private_means.as_ref(), new.private_means.as_ref());
        self.zones(old, new);
        self.levels(old, new);
        self.terms(old, new);
        self.grants(old, new);
        self.suppressions(old, new);
        let values = |claims: &[Spanned<Claim>]| {
            claims.iter().map(|one| one.value.clone()).collect::<Vec<_>>()
        };
        let what = format!("guardrail {}: test", self.name);
        claims::compare(self.notices, &what, &values(&old.claims), &values(&new.claims));
    }

    fn loosened(&mut self, text: String) {
        self.notices.push(Notice::loosened(format!("guardrail {}: {text}", self.name)));
    }

    fn tightened(&mut self, text: String) {
        self.notices.push(Notice::tightened(format!("guardrail {}: {text}", self.name)));
    }

    /// A set that is the looser the more is in it.
    fn words<T: Ord + Display>(&mut self, key: &str, old: &BTreeSet<T>, new: &BTreeSet<T>) {
        for word in new.difference(old) {
            self.loosened(format!("{key}: {word} added"));
        }
        for word in old.difference(new) {
            self.tightened(format!("{key}: {word} removed"));
        }
    }

    /// A set that is the looser the less is in it.
    fn demands(&mut self, key: &str, old: &BTreeSet<&str>, new: &BTreeSet<&str>) {
        for word in old.difference(new) {
            self.loosened(format!("{key}: {word} removed"));
        }
        for word in new.difference(old) {
            self.tightened(format!("{key}: {word} added"));
        }
    }

    fn private(&mut self, old: Option<&AddressSet>, new: Option<&AddressSet>) {
        match (old, new) {
            (None, None) => {}
            (None, Some(new)) => self.tightened(format!("private_means: only {}", Few(new))),
            (Some(_), None) => self.loosened("private_means: everything, not some".to_owned()),
            (Some(old), Some(new)) => {
                let (more, less) = (new.difference(old), old.difference(new));
                if !more.is_empty() {
                    self.loosened(format!("private_means: {} added", Few(&more)));
                }
                if !less.is_empty() {
                    self.tightened(format!("private_means: {} removed", Few(&less)));
                }
            }
        }
    }

    /// What an address counts as decides both ways, so every change of it has to be looked at.
    fn zones(&mut self, old: &Guardrail, new: &Guardrail) {
        for zone in new.zones.iter().filter(|zone| !old.zones.contains(zone)) {
            self.loosened(format!("zone: {} counts as {}", Few(&zone.block), zone.scope));
        }
        for zone in old.zones.iter().filter(|zone| !new.zones.contains(zone)) {
            self.loosened(format!("zone: {} counts as {} no more", Few(&zone.block), zone.scope));
        }
    }

    fn levels(&mut self, old: &Guardrail, new: &Guardrail) {
        let codes: BTreeSet<_> = old.levels.keys().chain(new.levels.keys()).collect();
        for code in codes {
            let (before, after) = (old.levels.get(code), new.levels.get(code));
            if before == after {
                continue;
            }
            let word = |level: Option<_>| level.map_or("as it is", Level::word);
            let text =
                format!("lints: {code} {} → {}", word(before.copied()), word(after.copied()));
            if after < before { self.loosened(text) } else { self.tightened(text) }
        }
    }

    fn terms(&mut self, old: &Guardrail, new: &Guardrail) {
        let (old, new) = (&old.terms, &new.terms);
        self.demands("exceptions.require", &keys(&old.require), &keys(&new.require));
        self.most("exceptions.max_days", old.max_days, new.max_days);
        let pattern = |terms: &Terms| {
            terms.ticket_pattern.as_ref().map_or_else(|| "any".to_owned(), ToString::to_string)
        };
        if pattern(old) != pattern(new) {
            let (old, new) = (pattern(old), pattern(new));
            self.loosened(format!("exceptions.ticket_pattern {old} → {new}"));
        }
        let (old, new) = (old.warn_before_days, new.warn_before_days);
        let text = format!("exceptions.warn_before_days {old} → {new}");
        match new.cmp(&old) {
            Ordering::Less => self.loosened(text),
            Ordering::Greater => self.tightened(text),
            Ordering::Equal => {}
        }
    }

    /// A bound, of which none is the loosest.
    fn most(&mut self, key: &str, old: Option<u32>, new: Option<u32>) {
        let word =
            |days: Option<u32>| days.map_or_else(|| "none".to_owned(), |days| days.to_string());
        let size = |days: Option<u32>| days.map_or(u64::MAX, u64::from);
        let text = format!("{key} {} → {}", word(old), word(new));
        match size(new).cmp(&size(old)) {
            Ordering::Greater => self.loosened(text),
            Ordering::Less => self.tightened(text),
            Ordering::Equal => {}
        }
    }

    fn grants(&mut self, old: &Guardrail, new: &Guardrail) {
        for (id, Spanned { value: after, .. }) in &new.grants {
            let Some(before) = old.grants.get(id).map(|before| &before.value) else {
                let (service, listener) = (&after.service, &after.listener);
                let end = until(&after.expires);
                let who = after.approved_by.as_deref().unwrap_or("nobody who is named");
                self.loosened(format!(
                    "grant {id} added for {listener} of {service}, {end}, approved by {who}"
                ));
                continue;
            };
            if before == after {
                continue;
            }
            if before.bounds != after.bounds {
                self.loosened(format!("grant {id}: its box changed"));
            }
            let same_bounds = Grant { bounds: before.bounds.clone(), ..after.clone() };
            if same_bounds != *before {
                let moved = Grant { expires: before.expires.clone(), ..same_bounds };
                let what = format!("guardrail {}: grant {id}", self.name);
                let notice = ending(&what, &before.expires, &after.expires, moved == *before);
                self.notices.push(notice);
            }
        }
        for id in old.grants.keys().filter(|id| !new.grants.contains_key(*id)) {
            self.tightened(format!("grant {id} removed"));
        }
    }

    fn suppressions(&mut self, old: &Guardrail, new: &Guardrail) {
        let (old, new) = (&old.suppressions, &new.suppressions);
        match (old.allowed, new.allowed) {
            (false, true) => self.loosened("suppressions are allowed".to_owned()),
            (true, false) => self.tightened("suppressions are not allowed any more".to_owned()),
            _ => {}
        }
        self.demands("suppressions.require", &keys(&old.require), &keys(&new.require));
        self.most("suppressions.max_days", old.max_days, new.max_days);
        self.demands(
            "suppressions.forbid_codes",
            &old.forbid_codes.iter().map(String::as_str).collect(),
            &new.forbid_codes.iter().map(String::as_str).collect(),
        );
    }
}

fn keys(keys: &BTreeSet<Key>) -> BTreeSet<&'static str> {
    keys.iter().map(|key| key.word()).collect()
}
