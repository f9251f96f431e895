//! Several events that are about one thing: who looks at each looks too often, and too early.

use std::time::Duration;

use tokio::time::Instant;

/// The first and the last event that no look has answered yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Burst {
    first: Instant,
    last: Instant,
}

impl Burst {
    /// The burst with one more event, now.
    pub(super) fn with_event(before: Option<Self>) -> Self {
        let last = Instant::now();
        Self { first: before.map_or(last, |burst| burst.first), last }
    }

    /// When to look: after so much quiet, and while it goes on, at least so often.
    pub(super) fn due(self, quiet: Duration, busy: Duration) -> Instant {
        (self.last + quiet).min(self.first + busy)
    }
}
