//! How fast clients may enter. Pure: the time is an argument.
//!
//! A rate of `count` in a period is a bucket that holds `count` and is filled evenly. It is kept as
//! one number: until when those who entered have been paid for (the generic cell rate algorithm of
//! ITU-T I.371, as a virtual schedule). Whoever enters adds the time between two; the next may
//! enter unless the sum is more than a full bucket ahead of now. So over any time `t`, not only
//! over whole periods, at most `count + t × count / period` enter.

use crate::policy::Rate;

/// A point in time: nanoseconds since a moment of the caller's choice. They last for 584 years.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

/// A rate, ready to be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between two clients, in nanoseconds; rounded up, so by less than a thousandth
    /// ([`MAX_RATE`](crate::config::leaf::MAX_RATE)) a rate is slower than it says, never faster.
    interval: u64,
    /// What a full bucket is worth, in nanoseconds.
    full: u64,
}

impl Pace {
    /// The pace of a rate.
    #[must_use]
    pub fn of(rate: Rate) -> Self {
        let count = u64::from(rate.count().get());
        let interval = (rate.period().as_secs() * 1_000_000_000).div_ceil(count);
        Self { interval, full: interval * count }
    }

    /// From when on one more may enter, where those who entered are paid for at `paid`.
    #[must_use]
    pub fn opens(self, paid: Moment) -> Moment {
        Moment(paid.0.saturating_sub(self.full - self.interval))
    }

    /// Until when those who entered are paid for, once one more has entered now.
    ///
    /// It may enter before [`Pace::opens`] has come: what was let in too early is taken off what
    /// follows. Where each of `n` asks first and enters then, and they may do so at the same time,
    /// `n - 1` more than the rate are let in at the most, over however long a time.
    #[must_use]
    pub fn charge(self, paid: Moment, now: Moment) -> Moment {
        Moment(paid.max(now).0.saturating_add(self.interval))
    }

    /// How long it takes, in nanoseconds, until a bucket is full again from which nobody takes.
    #[must_use]
    pub fn refill(self) -> u64 {
        self.full
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn pace(rate: &str) -> Pace {
        Pace::of(rate.parse().unwrap())
    }

    /// Has a client come at each of these times, and returns when those came who entered.
    fn entered(pace: Pace, times: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut paid = Moment::default();
        let enters = |now: &u64| {
            let opens = pace.opens(paid) <= Moment(*now);
            if opens {
                paid = pace.charge(paid, Moment(*now));
            }
            opens
        };
        times.into_iter().filter(enters).collect()
    }

    #[test]
    fn as_many_as_the_rate_says_enter_at_once_and_then_one_at_a_time() {
        let now = 7 * SECOND;
        assert_eq!(entered(pace("3/s"), [now; 5]).len(), 3);
        let third = SECOND.div_ceil(3);
        let times = [now, now, now, now + third - 1, now + third, now + third + 1];
        assert_eq!(entered(pace("3/s"), times), [now, now, now, now + third]);
        let minute = [now, now + 59 * SECOND, now + 60 * SECOND];
        assert_eq!(entered(pace("1/m"), minute), [now, now + 60 * SECOND]);
        let crowd = std::iter::repeat_n(now, 1_000_001);
        assert_eq!(entered(pace("1000000/s"), crowd).len(), 1_000_000);
    }

    #[test]
    fn a_bucket_is_full_again_after_its_period_and_holds_no_more() {
        let now = SECOND;
        let after = now + pace("5/m").refill();
        let times = [vec![now; 5], vec![after; 9], vec![after * 100; 9]].concat();
        assert_eq!(entered(pace("5/m"), times).len(), 15);
    }

    #[test]
    fn times_at_the_end_of_the_range_do_not_overflow() {
        let pace = pace("1/h");
        let end = Moment(u64::MAX);
        assert_eq!(pace.charge(end, end), end);
        assert_eq!(pace.opens(Moment(0)), Moment(0));
    }

    proptest! {
        /// Groups of clients come at random times. All of a group ask before the first of it
        /// enters, as workers do that are at it at the same time.
        #[test]
        fn never_lets_in_more_than_the_rate_and_one_less_than_ask_at_once(
            count in 1u32..50,
            unit in prop::sample::select(vec!["s", "m"]),
            groups in prop::collection::vec((0u64..3 * SECOND / 10, 1usize..5), 1..200),
        ) {
            let rate: Rate = format!("{count}/{unit}").parse().unwrap();
            let pace = Pace::of(rate);
            let (mut now, mut paid) = (0, Moment::default());
            let mut entered = Vec::new();
            let most_at_once = groups.iter().map(|(_, size)| *size).max().unwrap();
            for (gap, size) in groups {
                now += gap;
                if pace.opens(paid) <= Moment(now) {
                    for _ in 0..size {
                        paid = pace.charge(paid, Moment(now));
                        entered.push(now);
                    }
                }
            }
            for (first, from) in entered.iter().enumerate() {
                for (last, to) in entered.iter().enumerate().skip(first) {
                    let seconds = (to - from) as f64 / SECOND as f64;
                    let per_second = f64::from(count) / rate.period().as_secs_f64();
                    let most = f64::from(count) + seconds * per_second + (most_at_once - 1) as f64;
                    let came = (last - first + 1) as f64;
                    prop_assert!(came <= most + 1e-6, "{} in {} s of {}", came, seconds, rate);
                }
            }
        }

        /// Clients that always wait use the rate up.
        #[test]
        fn lets_in_as_many_as_the_rate_says_over_a_long_time(count in 1u32..1000) {
            let pace = pace(&format!("{count}/s"));
            let times = (0..10 * u64::from(count)).map(|step| step * SECOND / u64::from(count));
            let asked = 10 * count as usize;
            prop_assert!(entered(pace, times).len() >= asked - 1);
        }
    }
}
