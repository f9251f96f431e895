//! How fast clients enter a listener, over all workers.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    admit::{Client, Moment, Pace},
    policy::Limits,
    runtime::by_client::{ByClient, Ledger},
};

/// The rates of one listener, and what has entered under them. It outlives reloads as long as the
/// rates stay what they are.
///
/// A worker asks whether the rate is reached before it accepts a client, and counts the client once
/// it is admitted, so that one that is turned away costs the others nothing. Workers that ask at
/// the same moment may all be told that one more may enter: over any length of time at most one
/// client less than there are workers enters beyond `limits.rate`. The excess does not add up,
/// because it is taken off what follows (see [`Pace::charge`]). `limits.per_client_rate` is held
/// exactly, for as long as a client is remembered: until its bucket is full again, or until some
/// 65,000 other clients have come since it last did, and then it begins with a full one.
#[derive(Debug, Default)]
pub struct Meter {
    rate: Option<Pace>,
    per_client_rate: Option<Pace>,
    /// Until when those who entered are paid for.
    paid: AtomicU64,
    clients: ByClient<Ledger>,
    /// When the first asked; moments are counted from it.
    began: OnceLock<Instant>,
}

impl Meter {
    /// The meter of the next configuration: the one of before, if it has the same rates.
    pub(super) fn next(limits: &Limits, before: Option<&Arc<Self>>) -> Arc<Self> {
        let rate = limits.rate.map(Pace::of);
        let per_client_rate = limits.per_client_rate.map(Pace::of);
        let same =
            |before: &&Arc<Self>| (before.rate, before.per_client_rate) == (rate, per_client_rate);
        before
            .filter(same)
            .map_or_else(|| Arc::new(Self { rate, per_client_rate, ..Self::default() }), Arc::clone)
    }

    /// How long it is until one more may enter; `None` if it may now. The clock is read only where
    /// there is a rate.
    pub(super) fn wait(&self, clock: impl FnOnce() -> Instant) -> Option<Duration> {
        let pace = self.rate?;
        let opens = pace.opens(Moment(self.paid.load(Relaxed)));
        let now = self.moment(clock());
        (opens > now).then(|| Duration::from_nanos(opens.0 - now.0))
    }

    /// Counts one that has entered.
    pub(super) fn charge(&self, now: Instant) {
        let Some(pace) = self.rate else { return };
        let now = self.moment(now);
        let charge = |paid| Some(pace.charge(Moment(paid), now).0);
        // It always has a value to set, so it cannot fail.
        let _before = self.paid.fetch_update(Relaxed, Relaxed, charge);
    }

    /// Whether a client may enter, as far as its own rate is concerned; if so, it is counted.
    pub(super) fn admits(&self, client: Client, now: Instant) -> bool {
        let Some(pace) = self.per_client_rate else { return true };
        self.clients.part(client).enter(pace, client, self.moment(now))
    }

    /// Workers read the clock at slightly different times; one that is behind the first is taken
    /// for the first.
    fn moment(&self, now: Instant) -> Moment {
        let since = now.saturating_duration_since(*self.began.get_or_init(|| now));
        Moment(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicU32, thread};

    use super::*;

    fn limits(rate: &str) -> Limits {
        Limits { rate: Some(rate.parse().unwrap()), ..Limits::default() }
    }

    #[test]
    fn without_a_rate_nobody_waits_and_no_clock_is_read() {
        let meter = Meter::next(&Limits::default(), None);
        assert_eq!(meter.wait(|| panic!("there is nothing to wait for")), None);
    }

    #[test]
    fn a_full_house_waits_for_the_time_between_two() {
        let meter = Meter::next(&limits("2/m"), None);
        let now = Instant::now();
        for _ in 0..2 {
            assert_eq!(meter.wait(|| now), None);
            meter.charge(now);
        }
        assert_eq!(meter.wait(|| now), Some(Duration::from_secs(30)));
        assert_eq!(meter.wait(|| now + Duration::from_secs(30)), None);
    }

    #[test]
    fn what_has_entered_counts_on_as_long_as_the_rates_stay() {
        let now = Instant::now();
        let meter = Meter::next(&limits("1/h"), None);
        meter.charge(now);
        let same = Meter::next(&limits("1/h"), Some(&meter));
        assert!(same.wait(|| now).is_some());
        let faster = Meter::next(&limits("2/h"), Some(&same));
        assert_eq!(faster.wait(|| now), None, "another rate is another bucket");
    }

    /// Four threads ask and enter as fast as they can, each by a clock that stands still. The bound
    /// is that of [`Meter`]: the count, and one less than there are threads.
    #[test]
    fn threads_let_in_one_less_than_there_are_of_them_beyond_the_rate() {
        const THREADS: u32 = 4;
        let now = Instant::now();
        for _ in 0..200 {
            let meter = Meter::next(&limits("50/h"), None);
            let entered = AtomicU32::new(0);
            thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        while meter.wait(|| now).is_none() {
                            meter.charge(now);
                            entered.fetch_add(1, Relaxed);
                        }
                    });
                }
            });
            let entered = entered.into_inner();
            assert!((50..50 + THREADS).contains(&entered), "{entered}");
        }
    }
}
