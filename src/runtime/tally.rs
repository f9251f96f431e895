//! What workers count: each by itself, so that counting never waits for another core, and summed by
//! whoever wants to know.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{
    relay::outcome::Outcome,
    telemetry::{Counter, Counters},
};

/// What one worker counts, of itself or of one listener.
#[derive(Debug, Default)]
pub struct Tally {
    counters: Counters,
    /// How often each of [`Outcome::ALL`] came about, in that order.
    outcomes: [AtomicU64; Outcome::ALL.len()],
}

/// The tallies of all workers, of the process or of one listener.
#[derive(Debug, Default)]
pub struct Tallies(Mutex<Vec<Arc<Tally>>>);

impl Tally {
    /// Adds to a counter.
    pub(super) fn add(&self, counter: Counter, amount: u64) {
        self.counters.add(counter, amount);
    }

    /// Counts how a session, or a client that was turned away, ended.
    pub(super) fn note(&self, outcome: Outcome) {
        let at = Outcome::ALL.iter().position(|each| *each == outcome);
        let at = at.expect("every outcome is in the list of all");
        self.outcomes[at].fetch_add(1, Relaxed);
    }
}

impl Tallies {
    /// A tally for one more worker.
    pub(super) fn enlist(&self) -> Arc<Tally> {
        let tally = Arc::default();
        self.with(|tallies| tallies.push(Arc::clone(&tally)));
        tally
    }

    /// The value of a counter, over all workers.
    #[must_use]
    pub fn read(&self, counter: Counter) -> u64 {
        self.with(|tallies| tallies.iter().map(|tally| tally.counters.read(counter)).sum())
    }

    /// How many sessions ended in each outcome, over all workers, and how many clients were turned
    /// away for each reason.
    #[must_use]
    pub fn outcomes(&self) -> [(Outcome, u64); Outcome::ALL.len()] {
        let mut sums = Outcome::ALL.map(|outcome| (outcome, 0));
        self.with(|tallies| {
            for tally in tallies {
                for ((_, sum), count) in sums.iter_mut().zip(&tally.outcomes) {
                    *sum += count.load(Relaxed);
                }
            }
        });
        sums
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vec<Arc<Tally>>) -> T) -> T {
        // Nothing that is done to the list leaves it half done.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_workers_count_is_summed() {
        let tallies = Tallies::default();
        let (one, two) = (tallies.enlist(), tallies.enlist());
        one.add(Counter::BytesToClient, 3);
        two.add(Counter::BytesToClient, 4);
        two.note(Outcome::Idle);
        assert_eq!(tallies.read(Counter::BytesToClient), 7);
        let ended = tallies.outcomes();
        assert_eq!(ended.iter().map(|(_, count)| count).sum::<u64>(), 1);
        assert!(ended.contains(&(Outcome::Idle, 1)));
    }
}
