//! A worker's clock, and when a session's time is up. Pure but for the clock's one cell.

use std::cell::Cell;

use tokio::time::Instant;

use super::outcome::Outcome;
use crate::policy::Timeouts;

/// The time as its worker last looked at it. Reading it is a load.
///
/// The worker sets it, at most once per turn of its event loop. Until then every activity is noted
/// at the previous time, so a timeout may fire early by that much, and never late.
#[derive(Debug)]
pub struct Clock(Cell<Instant>);

impl Clock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self(Cell::new(now))
    }

    /// Makes it show `now`, unless that would turn it back.
    pub fn advance(&self, now: Instant) {
        self.0.set(self.0.get().max(now));
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.0.get()
    }
}

/// When a session's time is up. Noting activity is one store; nothing is re-armed.
#[derive(Debug)]
pub(super) struct Deadlines<'t> {
    limits: &'t Timeouts,
    started: Instant,
    active: Instant,
    half_closed: bool,
}

impl<'t> Deadlines<'t> {
    pub(super) fn new(limits: &'t Timeouts, now: Instant) -> Self {
        Self { limits, started: now, active: now, half_closed: false }
    }

    /// A byte has moved.
    pub(super) fn note_activity(&mut self, now: Instant) {
        self.active = now;
    }

    /// One side has ended: from now on `half_closed` counts in place of `idle`.
    pub(super) fn note_half_closed(&mut self) {
        self.half_closed = true;
    }

    /// When time is up if no further byte moves, and what for; nothing if no bound applies.
    pub(super) fn next(&self) -> Option<(Instant, Outcome)> {
        let (quiet, outcome) = if self.half_closed {
            (self.limits.half_closed, Outcome::HalfClosed)
        } else {
            (self.limits.idle, Outcome::Idle)
        };
        // A bound too far off for the clock to express is none.
        let quiet = quiet.and_then(|bound| self.active.checked_add(bound)).map(|at| (at, outcome));
        let lifetime = self.limits.lifetime.and_then(|bound| self.started.checked_add(bound));
        quiet.into_iter().chain(lifetime.map(|at| (at, Outcome::Lifetime))).min()
    }

    /// When to look at [`Self::next`] again, if it is `due` by what is known `now`. If a side ends
    /// meanwhile, time is still up no earlier than this, so an end need not touch the timer. Most
    /// connections are short, and setting a timer costs much beside them.
    pub(super) fn look_again(&self, now: Instant, due: Instant) -> Instant {
        let half_closed = self.limits.half_closed.and_then(|bound| now.checked_add(bound));
        half_closed.map_or(due, |at| at.min(due))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Clock, Deadlines};
    use crate::{policy::Timeouts, relay::outcome::Outcome};

    const NONE: Timeouts = Timeouts { idle: None, half_closed: None, lifetime: None };

    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn activity_puts_idle_off_but_not_lifetime() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let limits = Timeouts { idle: seconds(10), lifetime: seconds(15), ..NONE };
        let mut deadlines = Deadlines::new(&limits, start);
        assert_eq!(deadlines.next(), Some((after(10), Outcome::Idle)));
        deadlines.note_activity(after(4));
        assert_eq!(deadlines.next(), Some((after(14), Outcome::Idle)));
        deadlines.note_activity(after(6));
        assert_eq!(deadlines.next(), Some((after(15), Outcome::Lifetime)));
    }

    #[test]
    fn half_closed_counts_in_place_of_idle() {
        let start = Instant::now();
        let limits = Timeouts { idle: seconds(10), ..NONE };
        let mut deadlines = Deadlines::new(&limits, start);
        deadlines.note_half_closed();
        assert_eq!(deadlines.next(), None);
        let limits = Timeouts { idle: seconds(10), half_closed: seconds(60), ..NONE };
        let mut deadlines = Deadlines::new(&limits, start);
        deadlines.note_half_closed();
        assert_eq!(deadlines.next(), Some((start + Duration::from_secs(60), Outcome::HalfClosed)));
    }

    #[test]
    fn an_end_never_brings_time_forward_of_the_next_look() {
        let start = Instant::now();
        let limits = Timeouts { idle: seconds(600), half_closed: seconds(60), ..NONE };
        let mut deadlines = Deadlines::new(&limits, start);
        let (due, _) = deadlines.next().unwrap();
        let look = deadlines.look_again(start, due);
        deadlines.note_half_closed();
        assert!(look <= deadlines.next().unwrap().0);
    }

    #[test]
    fn a_bound_beyond_the_end_of_time_is_none() {
        let limits = Timeouts { idle: Some(Duration::MAX), ..NONE };
        assert_eq!(Deadlines::new(&limits, Instant::now()).next(), None);
    }

    #[test]
    fn the_clock_never_turns_back() {
        let start = Instant::now();
        let clock = Clock::new(start + Duration::from_secs(1));
        clock.advance(start);
        assert_eq!(clock.now(), start + Duration::from_secs(1));
    }
}
