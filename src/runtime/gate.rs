//! How many sessions a listener has, in all and per client, exactly, over all workers.

use std::{
    collections::hash_map::Entry,
    net::IpAddr,
    num::NonZeroU32,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
};

use tokio::{sync::Notify, time::Instant};

use crate::{
    admit::{self, Client, Reason, Verdict},
    runtime::{
        by_client::{ByClient, Sessions},
        registry::ListenerState,
        tally::Tallies,
    },
};

/// The door of one listener. It outlives reloads, as sessions do: the next configuration brings new
/// limits, not a new count, so limits are arguments.
///
/// Both counts are exact at every moment, over all workers: neither limit is ever exceeded. A place
/// costs no lock unless somebody waits for one; the count of a client costs that of its part.
#[derive(Debug, Default)]
pub struct Gate {
    /// Places taken: sessions, and for an instant each worker that is just about to accept.
    taken: AtomicU32,
    /// Told once for every place that becomes free.
    freed: Notify,
    /// Sessions per client, of those that came while there was a limit on them.
    clients: ByClient<Sessions>,
    /// What each worker counts of the listener.
    tallies: Tallies,
}

impl Gate {
    /// Sessions now.
    #[must_use]
    pub fn sessions(&self) -> u32 {
        self.taken.load(SeqCst)
    }

    /// What is counted of the listener since it began.
    #[must_use]
    pub fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    /// Takes a place, if fewer than `limit` are taken.
    pub(super) fn place(self: &Arc<Self>, limit: Option<NonZeroU32>) -> Option<Place> {
        let more = |taken| (!admit::exhausted(limit, taken)).then(|| taken + 1);
        self.taken.fetch_update(SeqCst, SeqCst, more).ok()?;
        Some(Place { gate: Arc::clone(self), client: None })
    }

    /// Waits for a place.
    ///
    /// No wake-up is lost. We are in the queue of `freed` before we look, so a place given back
    /// after we looked wakes the head of the queue. A waiter that is woken takes the place; if
    /// nobody was there to accept after all, giving it back wakes the next. A waiter that gives up
    /// once woken passes the wake-up on, because [`Notify`] does.
    pub(super) async fn wait(self: &Arc<Self>, limit: Option<NonZeroU32>) -> Place {
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Some(place) = self.place(limit) {
                return place;
            }
            freed.await;
        }
    }
}

/// A place at a listener; dropping it gives it back, also when what held it panics.
#[derive(Debug)]
pub(super) struct Place {
    gate: Arc<Gate>,
    /// Whom the place is counted for, if the client's sessions are counted.
    client: Option<Client>,
}

impl Place {
    /// Whether it is a place at this gate.
    pub(super) fn is_at(&self, gate: &Arc<Gate>) -> bool {
        Arc::ptr_eq(&self.gate, gate)
    }

    /// Decides on the client, and counts it if it enters. Decision and count are one step: of two
    /// that arrive together at two workers, one is the last that fits.
    ///
    /// `limits.rate` is not asked here, for whoever comes too fast for it waits before it is
    /// accepted; it is only counted.
    pub(super) fn admit(
        &mut self,
        state: &ListenerState,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Verdict {
        let ListenerState { policy, meter, .. } = state;
        let client = address.map(Client::at);
        let counted = client.filter(|_| policy.limits.per_client.is_some());
        let mut part = counted.map(|client| (client, self.gate.clients.part(client)));
        let sessions =
            part.as_ref().and_then(|(client, part)| part.get(client).copied()).unwrap_or(0);
        let verdict = admit::decide(policy, address, sessions);
        if verdict != Verdict::Admit {
            return verdict;
        }
        if client.is_some_and(|client| !meter.admits(client, now)) {
            return Verdict::Deny(Reason::TooFast);
        }
        if let Some((client, part)) = &mut part {
            part.insert(*client, sessions + 1);
            self.client = Some(*client);
        }
        meter.charge(now);
        Verdict::Admit
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(client) = self.client
            && let Entry::Occupied(mut sessions) = self.gate.clients.part(client).entry(client)
        {
            *sessions.get_mut() -= 1;
            if *sessions.get() == 0 {
                sessions.remove();
            }
        }
        self.gate.taken.fetch_sub(1, SeqCst);
        self.gate.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;
    use crate::runtime::sample::{listener, state, test_runtime};

    fn limit(amount: u32) -> Option<NonZeroU32> {
        NonZeroU32::new(amount)
    }

    #[test]
    fn a_full_gate_gives_no_place_until_one_is_given_back() {
        let gate = Arc::new(Gate::default());
        let first = gate.place(limit(1)).unwrap();
        assert!(gate.place(limit(1)).is_none());
        drop(first);
        assert!(gate.place(limit(1)).is_some());
    }

    #[test]
    fn a_limit_that_was_lowered_or_lifted_counts_the_sessions_of_before() {
        let gate = Arc::new(Gate::default());
        let _three = [gate.place(None), gate.place(None), gate.place(None)];
        assert!(gate.place(limit(2)).is_none());
        assert!(gate.place(limit(3)).is_none());
        assert!(gate.place(limit(4)).is_some());
    }

    #[test]
    fn a_client_at_its_limit_is_denied_however_its_address_is_written() {
        let gate = Arc::new(Gate::default());
        let mut listener = listener("web");
        listener.limits.per_client = limit(2);
        let state = state(listener);
        let enter = |client: &str| {
            let mut place = gate.place(None).unwrap();
            let verdict = place.admit(&state, Some(client.parse().unwrap()), Instant::now());
            (verdict, place)
        };
        let first = enter("192.0.2.1");
        let second = enter("::ffff:192.0.2.1");
        assert_eq!((first.0, second.0), (Verdict::Admit, Verdict::Admit));
        assert_eq!(enter("192.0.2.1").0, Verdict::Deny(Reason::TooMany));
        assert_eq!(enter("192.0.2.2").0, Verdict::Admit);
        drop(first);
        assert_eq!(enter("192.0.2.1").0, Verdict::Admit);
        drop(second);
        let known: usize = gate.clients.parts().map(|part| part.len()).sum();
        assert_eq!(known, 0, "a client without sessions costs nothing");
    }

    #[test]
    fn a_client_that_is_turned_away_takes_nothing_from_its_rate_nor_from_that_of_all() {
        let gate = Arc::new(Gate::default());
        let mut listener = listener("web");
        listener.limits.per_client = limit(1);
        listener.limits.rate = Some("3/h".parse().unwrap());
        listener.limits.per_client_rate = Some("2/h".parse().unwrap());
        let state = state(listener);
        let now = Instant::now();
        let enter = |client: &str| {
            let mut place = gate.place(None).unwrap();
            (place.admit(&state, Some(client.parse().unwrap()), now), place)
        };
        let first = enter("192.0.2.1");
        assert_eq!(first.0, Verdict::Admit);
        assert_eq!(enter("192.0.2.1").0, Verdict::Deny(Reason::TooMany));
        drop(first);
        assert_eq!(enter("192.0.2.1").0, Verdict::Admit, "its second");
        assert_eq!(enter("192.0.2.1").0, Verdict::Deny(Reason::TooFast));
        assert_eq!(state.meter.wait(|| now), None, "two of three have entered");
        assert_eq!(enter("192.0.2.2").0, Verdict::Admit);
        assert!(state.meter.wait(|| now).is_some());
    }

    #[test]
    fn a_place_is_given_back_by_a_panic() {
        let gate = Arc::new(Gate::default());
        let place = gate.place(None).unwrap();
        let panicked = thread::spawn(move || {
            let _place = place;
            panic!("to be caught");
        });
        assert!(panicked.join().is_err());
        assert_eq!(gate.sessions(), 0);
    }

    /// Four workers, each with eight tasks that want one of three places over and over. That all of
    /// them end shows that no wake-up is lost; the high-water mark, that the limit holds.
    #[test]
    fn under_threads_the_limit_holds_and_no_waiter_is_forgotten() {
        let gate = Arc::new(Gate::default());
        let inside = Arc::new(AtomicU32::new(0));
        let most = Arc::new(AtomicU32::new(0));
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let (gate, inside, most) = (gate.clone(), inside.clone(), most.clone());
                thread::spawn(move || {
                    test_runtime(async move {
                        let tasks: Vec<_> = (0..8)
                            .map(|_| {
                                let (gate, inside, most) =
                                    (gate.clone(), inside.clone(), most.clone());
                                tokio::task::spawn_local(async move {
                                    for _ in 0..500 {
                                        let place = gate.wait(limit(3)).await;
                                        most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                                        tokio::task::yield_now().await;
                                        inside.fetch_sub(1, SeqCst);
                                        drop(place);
                                    }
                                })
                            })
                            .collect();
                        for task in tasks {
                            task.await.unwrap();
                        }
                    });
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(gate.sessions(), 0);
        assert!((1..=3).contains(&most.load(SeqCst)));
    }

    #[test]
    fn a_waiter_that_gives_up_once_woken_wakes_the_next() {
        test_runtime(async {
            let gate = Arc::new(Gate::default());
            let place = gate.place(limit(1)).unwrap();
            let mut fickle = Box::pin(gate.wait(limit(1)));
            let mut patient = Box::pin(gate.wait(limit(1)));
            let soon = Duration::from_millis(1);
            assert!(tokio::time::timeout(soon, fickle.as_mut()).await.is_err());
            assert!(tokio::time::timeout(soon, patient.as_mut()).await.is_err());
            drop(place);
            drop(fickle);
            patient.await;
        });
    }
}
