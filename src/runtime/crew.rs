//! Which worker is to have the next client of a socket that several serve.
//!
//! Every one of them is woken by a client, and the first to accept has it. Left to themselves the
//! quickest comes to have several times as many sessions as the slowest, and sessions that last
//! then keep one core busy and leave the others idle. So a worker that has more than its share
//! gives the others a head start. No client waits longer than that, whatever the others do, and
//! nothing is handed from one worker to another.

use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::runtime::commit::Share;

/// How long a worker that has more sessions than its share leaves a client to the others: the
/// shortest time that its timers know, and some twenty times what it takes to wake an idle worker.
pub(super) const HEAD_START: Duration = Duration::from_millis(1);

/// Sessions that a worker may have more than another, beside an eighth of what that one has: few
/// sessions are no load worth a wait.
const FEW: usize = 16;

/// How many sessions each worker has now, in their order.
#[derive(Debug, Clone)]
pub(super) struct Crew(Arc<[Arc<AtomicUsize>]>);

/// How many sessions the other workers have now that serve the same socket.
#[derive(Debug, Clone)]
pub(super) struct Others(Rc<[Arc<AtomicUsize>]>);

impl FromIterator<Arc<AtomicUsize>> for Crew {
    fn from_iter<I: IntoIterator<Item = Arc<AtomicUsize>>>(sessions: I) -> Self {
        Self(sessions.into_iter().collect())
    }
}

impl Crew {
    /// Those of the first `workers` who serve a socket beside this one.
    pub(super) fn beside(&self, worker: usize, workers: usize, share: Share) -> Others {
        let serves = |other: &usize| *other != worker && share.includes(*other, workers);
        Others((0..workers).filter(serves).map(|other| Arc::clone(&self.0[other])).collect())
    }
}

impl Others {
    /// Whether a worker with so many sessions should leave a client to one of the others.
    pub(super) fn go_first(&self, own: usize) -> bool {
        let fewest = self.0.iter().map(|sessions| sessions.load(Relaxed)).min();
        fewest.is_some_and(|fewest| own > fewest + fewest / 8 + FEW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crew(sessions: &[usize]) -> Crew {
        sessions.iter().map(|sessions| Arc::new(AtomicUsize::new(*sessions))).collect()
    }

    #[test]
    fn a_worker_leaves_clients_to_one_that_has_clearly_fewer_sessions() {
        for (sessions, goes_first) in [
            (&[0][..], false),
            (&[16, 0], false),
            (&[17, 0], true),
            (&[17, 0, 100], true),
            (&[17, 100, 100], false),
            (&[1141, 1000], false),
            (&[1142, 1000], true),
        ] {
            let others = crew(sessions).beside(0, sessions.len(), Share { member: 0, of: 1 });
            assert_eq!(others.go_first(sessions[0]), goes_first, "{sessions:?}");
        }
    }

    #[test]
    fn only_workers_that_serve_the_same_socket_count() {
        let crew = crew(&[100, 0, 100, 0]);
        let second_of_two = Share { member: 0, of: 2 };
        assert!(!crew.beside(0, 4, second_of_two).go_first(100), "the other is worker 2");
        assert!(!crew.beside(0, 1, Share::ALONE).go_first(100), "the others do not accept");
        assert!(crew.beside(0, 2, Share::ALONE).go_first(100));
    }
}
