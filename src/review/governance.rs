//! What changes in who may approve what: exceptions, expectations, tests, owners and limits.

mod claims;
mod limits;

use std::collections::BTreeMap;

use super::{Review, Version, approval::until};
use crate::policy::{
    Allow, Expiry, ListenerId,
    claim::{Claim, Expectation},
    resolve,
};

/// One such change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is. As written by its author, so unsafe to print as it is.
    pub text: String,
    /// Whether it loosens something, so that somebody has to approve it.
    pub loosens: bool,
}

impl Notice {
    fn loosened(text: String) -> Self {
        Self { text, loosens: true }
    }

    fn tightened(text: String) -> Self {
        Self { text, loosens: false }
    }
}

/// Everything that changes in the service file, and in its guardrails where those of both sides are
/// known; what loosens something comes first.
#[must_use]
pub fn notices(review: &Review<'_>) -> Vec<Notice> {
    let Some(new) = review.new else { return Vec::new() };
    let mut notices = Vec::new();
    if let Some(old) = review.old {
        renamed(&mut notices, "service", &old.policy.service, &new.policy.service);
        renamed(&mut notices, "owner", &old.policy.owner, &new.policy.owner);
    }
    exceptions(&mut notices, review, new);
    let (before, after) = (review.old.map(claimed).unwrap_or_default(), claimed(new));
    expectations(&mut notices, &before.expected, &after.expected);
    claims::compare(&mut notices, "test", &before.tests, &after.tests);
    if let (Some(old), Some(new)) = (review.old.and_then(|old| old.guardrails), new.guardrails) {
        limits::compare(&mut notices, old, new);
    }
    notices.sort_by_key(|notice| !notice.loosens);
    notices
}

/// What a file claims of itself, without places.
#[derive(Default)]
struct Claimed {
    tests: Vec<Claim>,
    expected: Vec<Expectation>,
}

fn claimed(version: Version<'_>) -> Claimed {
    let (claims, _) = resolve::claims(version.config);
    Claimed {
        tests: claims.tests.into_iter().map(|one| one.value).collect(),
        expected: claims.expected.into_iter().map(|one| one.value).collect(),
    }
}

fn renamed(notices: &mut Vec<Notice>, what: &str, old: &Option<String>, new: &Option<String>) {
    if old != new {
        let word = |name: &Option<String>| name.clone().unwrap_or_else(|| "nobody".to_owned());
        let (old, new) = (word(old), word(new));
        notices.push(Notice::loosened(format!("{what} {old} → {new}")));
    }
}

/// Signatures of listeners.
fn exceptions(notices: &mut Vec<Notice>, review: &Review<'_>, new: Version<'_>) {
    let old = review.old.map(|version| &version.policy.listeners);
    let changes = review.diff.changes.iter().map(|change| (&change.listener, change));
    let changes: BTreeMap<_, _> = changes.collect();
    for (id, listener) in &new.policy.listeners {
        let before = old.and_then(|all| all.get(id)).and_then(|old| old.allow.as_ref());
        let Some(mut notice) = exception(id, before, listener.allow.as_ref()) else { continue };
        // One that is covered by the grant of somebody else is no approval of its own.
        notice.loosens &= !changes.get(id).is_some_and(|change| review.is_granted(change));
        notices.push(notice);
    }
    for (id, listener) in old.into_iter().flatten() {
        if listener.allow.is_some() && !new.policy.listeners.contains_key(id) {
            let text = format!("`allow` of {id} removed with its listener");
            notices.push(Notice::tightened(text));
        }
    }
}

fn exception(id: &ListenerId, before: Option<&Allow>, after: Option<&Allow>) -> Option<Notice> {
    match (before, after) {
        (None, None) => None,
        (Some(before), Some(after)) if before == after => None,
        (None, Some(after)) => Some(Notice::loosened(format!(
            "`allow` of {id} added, {}: {}",
            until(&after.expires),
            after.reason
        ))),
        (Some(_), None) => Some(Notice::tightened(format!("`allow` of {id} removed"))),
        (Some(before), Some(after)) => {
            let same_but_for_its_end =
                Allow { expires: before.expires.clone(), ..after.clone() } == *before;
            let what = format!("`allow` of {id}");
            Some(ending(&what, &before.expires, &after.expires, same_but_for_its_end))
        }
    }
}

/// An exception that says something else: until another day, or of something else.
fn ending(what: &str, before: &Expiry, after: &Expiry, same_otherwise: bool) -> Notice {
    let (old, new) = (until(before), until(after));
    let longer = match (before, after) {
        (Expiry::On(before), Expiry::On(after)) => after > before,
        (_, Expiry::Malformed) => false,
        (before, after) => before != after && *before != Expiry::Never,
    };
    match (before == after, same_otherwise) {
        (true, _) => Notice::loosened(format!("{what} changed")),
        (false, false) => Notice::loosened(format!("{what} changed, and {old} → {new}")),
        (false, true) if longer => Notice::loosened(format!("{what} extended: {old} → {new}")),
        (false, true) => Notice::tightened(format!("{what} shortened: {old} → {new}")),
    }
}

fn expectations(notices: &mut Vec<Notice>, old: &[Expectation], new: &[Expectation]) {
    let same = |a: &Expectation, b: &Expectation| (&a.code, &a.listener) == (&b.code, &b.listener);
    for after in new {
        let what = format!("`expect` of {} for {}", after.code, after.listener);
        match old.iter().find(|before| same(before, after)) {
            Some(before) if before == after => {}
            Some(before) => {
                let moved = Expectation { expires: before.expires.clone(), ..after.clone() };
                notices.push(ending(&what, &before.expires, &after.expires, moved == *before));
            }
            None => {
                let (end, reason) = (until(&after.expires), &after.reason);
                notices.push(Notice::loosened(format!("{what} added, {end}: {reason}")));
            }
        }
    }
    for before in old.iter().filter(|before| !new.iter().any(|after| same(before, after))) {
        let text = format!("`expect` of {} for {} removed", before.code, before.listener);
        notices.push(Notice::tightened(text));
    }
}
