//! What is known of each client, in parts, so that two workers seldom want the same one.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use crate::admit::{Client, Moment, Pace};

/// Parts. A worker waits for another only where both have a client of the same part at the same
/// moment, and then for as long as it takes to look into a map.
const PARTS: usize = 64;

/// Clients of one part that a [`Ledger`] takes in before it forgets those it has not seen since:
/// some six MiB for a whole listener at the most.
const REMEMBERED: usize = 1024;

/// A value for each part of the clients. It takes no memory until the first client comes.
#[derive(Debug)]
pub(super) struct ByClient<T> {
    /// Random, so that nobody can choose addresses that all fall into one part.
    hasher: RandomState,
    parts: OnceLock<Box<[Part<T>]>>,
}

/// On a cache line of its own, or workers would wait for each other's locks all the same.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Part<T>(Mutex<T>);

/// Sessions of each client; none is zero.
pub(super) type Sessions = HashMap<Client, u32>;

/// Until when each client has been paid for.
///
/// There are two generations. Who comes is written down in the young one; when that has grown to
/// [`REMEMBERED`], or is older than it takes to fill a bucket, it becomes the old one, and what was
/// old is forgotten. So a client is forgotten when its bucket is full again, which changes nothing;
/// or when more others than that have come since, and then it begins with a full bucket.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    young: HashMap<Client, Moment>,
    old: HashMap<Client, Moment>,
    /// When the young generation began.
    since: Moment,
}

impl<T> Default for ByClient<T> {
    fn default() -> Self {
        Self { hasher: RandomState::new(), parts: OnceLock::new() }
    }
}

impl<T: Default> ByClient<T> {
    /// The part that the client falls into.
    pub(super) fn part(&self, client: Client) -> MutexGuard<'_, T> {
        let parts = self.parts.get_or_init(|| (0..PARTS).map(|_| Part::default()).collect());
        let hash = self.hasher.hash_one(client);
        let at = usize::try_from(hash % PARTS as u64).expect("it is less than the parts");
        // What is in it is whole between any two statements that hold it, so a panic elsewhere has
        // not broken it.
        parts[at].0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every part that is there.
    #[cfg(test)]
    pub(super) fn parts(&self) -> impl Iterator<Item = MutexGuard<'_, T>> {
        self.parts.get().into_iter().flatten().map(|part| part.0.lock().unwrap())
    }
}

impl Ledger {
    /// Lets a client in, and writes it down, unless it comes too fast.
    pub(super) fn enter(&mut self, pace: Pace, client: Client, now: Moment) -> bool {
        let age = now.0.saturating_sub(self.since.0);
        if self.young.len() >= REMEMBERED || age >= pace.refill() {
            self.old = std::mem::take(&mut self.young);
            self.since = now;
        }
        let known = self.young.get(&client).or_else(|| self.old.get(&client));
        let paid = known.copied().unwrap_or_default();
        let enters = pace.opens(paid) <= now;
        // One that is turned away is remembered as well, or it would only have to go on trying
        // until it is forgotten.
        self.young.insert(client, if enters { pace.charge(paid, now) } else { paid });
        enters
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn pace(rate: &str) -> Pace {
        Pace::of(rate.parse().unwrap())
    }

    fn client(number: u32) -> Client {
        Client::at(Ipv4Addr::from_bits(number).into())
    }

    #[test]
    fn a_client_that_comes_too_fast_is_kept_out_until_it_has_waited_and_others_are_not() {
        let (mut ledger, pace) = (Ledger::default(), pace("2/s"));
        let mut enters = |who, at| ledger.enter(pace, client(who), Moment(at));
        let now = 5 * SECOND;
        assert_eq!([1, 1, 1, 2, 1].map(|who| enters(who, now)), [true, true, false, true, false]);
        assert!(enters(1, now + SECOND / 2));
        assert!(!enters(1, now + SECOND / 2));
    }

    #[test]
    fn it_is_bounded_and_who_tries_on_is_not_forgotten() {
        let (mut ledger, pace) = (Ledger::default(), pace("1/h"));
        let now = Moment(SECOND);
        assert!(ledger.enter(pace, client(0), now));
        for other in 1..=10 * u32::try_from(REMEMBERED).unwrap() {
            assert!(ledger.enter(pace, client(other), now));
            if other % 500 == 0 {
                assert!(!ledger.enter(pace, client(0), now), "after {other} others");
            }
            assert!(ledger.young.len() + ledger.old.len() <= 2 * REMEMBERED);
        }
        assert!(ledger.enter(pace, client(1), now), "it was forgotten");
    }

    #[test]
    fn nothing_is_remembered_of_clients_whose_buckets_are_full() {
        let (mut ledger, pace) = (Ledger::default(), pace("10/s"));
        for number in 0..100 {
            assert!(ledger.enter(pace, client(number), Moment(SECOND)));
        }
        for second in 2..5 {
            ledger.enter(pace, client(0), Moment(second * SECOND));
        }
        assert_eq!(ledger.young.len() + ledger.old.len(), 2);
    }

    proptest! {
        /// Against one bucket for each client that forgets nothing.
        #[test]
        fn a_few_clients_are_treated_as_if_nothing_were_forgotten(
            visits in prop::collection::vec((0u32..4, 0u64..SECOND), 1..200),
        ) {
            let (mut ledger, pace) = (Ledger::default(), pace("3/s"));
            let mut buckets = [Moment::default(); 4];
            let mut now = Moment(SECOND);
            for (who, gap) in visits {
                now.0 += gap;
                let bucket = &mut buckets[who as usize];
                let enters = pace.opens(*bucket) <= now;
                if enters {
                    *bucket = pace.charge(*bucket, now);
                }
                prop_assert_eq!(ledger.enter(pace, client(who), now), enters);
            }
        }
    }
}
