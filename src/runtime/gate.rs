//! How many sessions a listener has, in all and per client, exactly, over all workers.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    num::NonZeroU32,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::SeqCst},
    },
};

use tokio::sync::Notify;

use crate::{
    admit::{self, Verdict},
    policy::Listener,
};

/// The door of one listener. It outlives reloads, as sessions do: the next configuration brings new
/// limits, not a new count, so limits are arguments.
#[derive(Debug, Default)]
pub struct Gate {
    /// Places taken: sessions, and for an instant each worker that is just about to accept.
    taken: AtomicU32,
    /// Clients that have entered since the listener began.
    admitted: AtomicU64,
    /// Told once for every place that becomes free.
    freed: Notify,
    /// Sessions per client, of those that came while there was a limit on them; no entry is zero.
    clients: Mutex<HashMap<IpAddr, u32>>,
}

impl Gate {
    /// Sessions now.
    #[must_use]
    pub fn sessions(&self) -> u32 {
        self.taken.load(SeqCst)
    }

    /// Sessions since the listener began.
    #[must_use]
    pub fn admitted(&self) -> u64 {
        self.admitted.load(SeqCst)
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

    fn clients(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        // The map is whole between any two statements that hold it, so a panic elsewhere has not
        // broken it.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place at a listener; dropping it gives it back, also when what held it panics.
#[derive(Debug)]
pub(super) struct Place {
    gate: Arc<Gate>,
    /// Whom the place is counted for, if the client's sessions are counted.
    client: Option<IpAddr>,
}

impl Place {
    /// Whether it is a place at this gate.
    pub(super) fn is_at(&self, gate: &Arc<Gate>) -> bool {
        Arc::ptr_eq(&self.gate, gate)
    }

    /// Decides on the client, and counts it if it enters. Decision and count are one step: of two
    /// that arrive together at two workers, one is the last that fits.
    pub(super) fn admit(&mut self, listener: &Listener, client: Option<IpAddr>) -> Verdict {
        let counted = client.filter(|_| listener.limits.per_client.is_some());
        let verdict = match counted.map(|client| client.to_canonical()) {
            None => admit::decide(listener, client, 0),
            Some(client) => {
                let mut clients = self.gate.clients();
                let sessions = clients.get(&client).copied().unwrap_or(0);
                let verdict = admit::decide(listener, Some(client), sessions);
                if verdict == Verdict::Admit {
                    clients.insert(client, sessions + 1);
                    self.client = Some(client);
                }
                verdict
            }
        };
        if verdict == Verdict::Admit {
            self.gate.admitted.fetch_add(1, SeqCst);
        }
        verdict
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(client) = self.client
            && let Entry::Occupied(mut sessions) = self.gate.clients().entry(client)
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
    use crate::{
        admit::Reason,
        runtime::sample::{listener, test_runtime},
    };

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
        let enter = |client: &str| {
            let mut place = gate.place(None).unwrap();
            let verdict = place.admit(&listener, Some(client.parse().unwrap()));
            (verdict, place)
        };
        let first = enter("192.0.2.1");
        let second = enter("::ffff:192.0.2.1");
        assert_eq!((first.0, second.0), (Verdict::Admit, Verdict::Admit));
        assert_eq!(enter("192.0.2.1").0, Verdict::Deny(Reason::TooMany));
        assert_eq!(enter("192.0.2.2").0, Verdict::Admit);
        drop(first);
        assert_eq!(enter("192.0.2.1").0, Verdict::Admit);
        assert_eq!(gate.admitted(), 4);
        drop(second);
        assert!(gate.clients().is_empty(), "a client without sessions costs nothing");
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
