//! Tests that were removed or claim less: a test is a set of flows, so its name alone says nothing.

use super::Notice;
use crate::policy::{
    claim::{Assume, Claim, Outcome},
    governance::Few,
};

/// Compares the tests of two files, which are called `what` in the notices.
pub(super) fn compare(notices: &mut Vec<Notice>, what: &str, old: &[Claim], new: &[Claim]) {
    for before in old {
        // Under another name it is the same test, and a wider one holds it.
        if new.iter().any(|after| holds(after, before)) {
            continue;
        }
        let name = &before.name;
        let text = match new.iter().find(|after| after.name == *name) {
            None => format!("{what} \"{name}\" removed"),
            Some(after) => {
                let lost = before.from.difference(&after.from);
                if holds(&Claim { assume: before.assume, ..after.clone() }, before) {
                    format!("{what} \"{name}\" weakened: it rests on assumptions")
                } else if after.to == before.to && !lost.is_empty() {
                    format!("{what} \"{name}\" weakened: it says nothing more of {}", Few(&lost))
                } else {
                    format!("{what} \"{name}\" claims something else")
                }
            }
        };
        notices.push(Notice::loosened(text));
    }
    let is_known =
        |after: &Claim| old.iter().any(|before| holds(before, after) || before.name == after.name);
    for after in new.iter().filter(|after| !is_known(after)) {
        notices.push(Notice::tightened(format!("{what} \"{}\" added", after.name)));
    }
}

/// Whether a test fails wherever the other does.
fn holds(test: &Claim, other: &Claim) -> bool {
    let as_strict = test.outcome == other.outcome
        || (test.outcome, other.outcome) == (Outcome::Invisible, Outcome::Unreachable);
    // Without assumptions more clients count.
    let as_wary = test.assume == other.assume || test.assume == Assume::None;
    as_strict && as_wary && test.to == other.to && other.from.is_subset(&test.from)
}
