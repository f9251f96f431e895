//! The workers as one of them knows the others: to whom it hands a client.
//!
//! Where an address has fewer sockets than there are workers, one worker accepts from each, and
//! every client goes to the worker that has the fewest sessions. If all polled the socket, each
//! client would wake all of them, and the quickest would come to have several times as many
//! sessions as the slowest; those that last would then keep one core busy and leave others idle.

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use tokio::sync::mpsc;

use crate::runtime::{gate::Place, registry::ListenerState, session::Arrival};

/// Clients that may wait to be taken up by a worker: far more than it leaves waiting unless it is
/// stuck, and then whoever accepts keeps them.
pub(super) const HANDED: usize = 1024;

/// A client that has been admitted, on its way to the worker that will serve it. It counts as a
/// session of that worker already.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) connection: OwnedFd,
    pub(super) arrival: Arrival,
    pub(super) place: Place,
    /// What it was admitted under. The worker may be a commit further, or behind.
    pub(super) state: Arc<ListenerState>,
}

/// One worker, for the others.
#[derive(Debug, Clone)]
pub(super) struct Mate {
    /// Its sessions now.
    pub(super) sessions: Arc<AtomicUsize>,
    /// The way to it.
    pub(super) clients: mpsc::Sender<Handed>,
}

/// The workers that accept clients, in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Crew(Arc<[Mate]>);

impl FromIterator<Mate> for Crew {
    fn from_iter<I: IntoIterator<Item = Mate>>(mates: I) -> Self {
        Self(mates.into_iter().collect())
    }
}

impl Crew {
    /// Hands a client to the worker with the fewest sessions. It comes back if that is this worker,
    /// or one with as many, or if the other does not take it.
    pub(super) fn hand_over(&self, own: &Arc<AtomicUsize>, client: Handed) -> Result<(), Handed> {
        let sessions = |mate: &&Mate| mate.sessions.load(SeqCst);
        let fewest = self.0.iter().min_by_key(sessions);
        let Some(mate) = fewest.filter(|mate| sessions(mate) < own.load(SeqCst)) else {
            return Err(client);
        };
        mate.sessions.fetch_add(1, SeqCst);
        mate.clients.try_send(client).map_err(|refused| {
            mate.sessions.fetch_sub(1, SeqCst);
            refused.into_inner()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::{
        plan::BindAddress,
        runtime::{
            sample::{listener, state},
            session::Local,
        },
    };

    fn client() -> Handed {
        let state = state(listener("web"));
        let local = Arc::new(Local::of(&BindAddress::Unix("/x".into())));
        let (connection, _) = UnixStream::pair().unwrap();
        Handed {
            connection: connection.into(),
            arrival: Arrival::now(None, local),
            place: state.gate.place(None).unwrap(),
            state,
        }
    }

    fn mate(sessions: usize) -> (Mate, mpsc::Receiver<Handed>) {
        let (clients, handed) = mpsc::channel(1);
        (Mate { sessions: Arc::new(AtomicUsize::new(sessions)), clients }, handed)
    }

    #[test]
    fn a_client_goes_to_the_worker_with_the_fewest_sessions_and_counts_there() {
        let ((own, _), (few, mut handed), (many, _)) = (mate(5), mate(3), mate(9));
        let crew: Crew = [own.clone(), few.clone(), many].into_iter().collect();
        assert!(crew.hand_over(&own.sessions, client()).is_ok());
        assert!(handed.try_recv().is_ok());
        assert_eq!(few.sessions.load(SeqCst), 4);
    }

    #[test]
    fn a_client_comes_back_from_equals_and_from_one_that_is_stuck_or_gone() {
        let ((own, _), (equal, _)) = (mate(3), mate(3));
        let crew: Crew = [own.clone(), equal].into_iter().collect();
        assert!(crew.hand_over(&own.sessions, client()).is_err());
        assert!(Crew::default().hand_over(&own.sessions, client()).is_err());
        let (stuck, handed) = mate(0);
        let crew: Crew = [own.clone(), stuck.clone()].into_iter().collect();
        assert!(crew.hand_over(&own.sessions, client()).is_ok());
        assert!(crew.hand_over(&own.sessions, client()).is_err(), "its queue is full");
        drop(handed);
        assert!(crew.hand_over(&own.sessions, client()).is_err(), "it is gone");
        assert_eq!(stuck.sessions.load(SeqCst), 1, "only what it took counts");
    }
}
