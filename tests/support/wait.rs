//! Waiting for a condition, with a deadline. Nothing in the tests waits for time to pass.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Time for anything that is to happen. Far more than it takes, for the machine may be busy; no
/// test that passes ever waits for it to be over.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Between two looks at a condition that nobody announces.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Waits until the condition holds; panics with `what` when it does not in time.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    eventually_some(what, || condition().then_some(()));
}

/// Waits until there is a value; panics with `what` when there is none in time.
#[track_caller]
pub(crate) fn eventually_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let latest = now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(now() < latest, "not in time: {what}");
        thread::park_timeout(BETWEEN_LOOKS);
    }
}

#[expect(clippy::disallowed_methods, reason = "a deadline is a time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
