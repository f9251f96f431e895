//! A listener at one worker.

use std::{
    cell::{Cell, Ref, RefCell},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    balance::RoundRobin,
    runtime::{registry::ListenerState, stop::Stop, tally::Tally},
};

/// How often a log line that tells of something lasting is written again.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// A listener at this worker. The state changes with each commit, the rest is as old as the
/// listener.
#[derive(Debug)]
pub(super) struct Serving {
    state: RefCell<Arc<ListenerState>>,
    /// What is counted of it here.
    pub(super) tally: Arc<Tally>,
    /// Which backend's turn it is at this worker. It begins anew when the backends change.
    pub(super) turn: RefCell<RoundRobin>,
    /// Ends all its sessions.
    pub(super) stop: Stop,
    /// The log line that clients wait.
    pub(super) waiting: Seldom,
    /// The log line that clients are turned away by a limit.
    pub(super) turning_away: Seldom,
}

impl Serving {
    pub(super) fn new(state: &Arc<ListenerState>, worker: usize) -> Self {
        Self {
            state: RefCell::new(Arc::clone(state)),
            tally: state.gate.tallies().enlist(),
            turn: RefCell::new(first_turn(state, worker)),
            stop: Stop::default(),
            waiting: Seldom::default(),
            turning_away: Seldom::default(),
        }
    }

    /// The state that new sessions begin under.
    pub(super) fn state(&self) -> Ref<'_, Arc<ListenerState>> {
        self.state.borrow()
    }

    pub(super) fn update(&self, state: &Arc<ListenerState>, worker: usize) {
        let before = self.state.replace(Arc::clone(state));
        let policy = |state: &ListenerState| Some(Arc::clone(state.upstream.as_ref()?.policy()));
        if policy(&before) != policy(state) {
            self.turn.replace(first_turn(state, worker));
        }
    }
}

/// Lets one kind of line into the log every [`LOG_INTERVAL`], however often there is reason for it.
#[derive(Debug, Default)]
pub(super) struct Seldom(Cell<Option<Instant>>);

impl Seldom {
    /// Whether it is time for the next line, which is then taken to be written.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let due = self.0.get().is_none_or(|last| now.duration_since(last) >= LOG_INTERVAL);
        if due {
            self.0.set(Some(now));
        }
        due
    }
}

/// Each worker begins with another backend, or a few sessions over many workers would all go to the
/// first.
fn first_turn(state: &ListenerState, worker: usize) -> RoundRobin {
    let Some(upstream) = &state.upstream else { return RoundRobin::default() };
    let backends = &upstream.policy().backends;
    RoundRobin::after(worker % backends.len().max(1), backends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_at_once_and_then_no_more_for_a_while() {
        let (seldom, now) = (Seldom::default(), Instant::now());
        let just_before = now + LOG_INTERVAL.checked_sub(Duration::from_nanos(1)).unwrap();
        let due = [now, now, just_before, now + LOG_INTERVAL, now + LOG_INTERVAL];
        assert_eq!(due.map(|at| seldom.is_due(at)), [true, false, false, true, false]);
    }
}
