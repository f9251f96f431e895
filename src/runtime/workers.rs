//! The workers as the supervisor has them: started, told, counted, and joined at the end.

use std::{
    cell::Cell,
    io,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use tokio::{
    runtime::Builder,
    sync::{Notify, mpsc, oneshot, watch},
    task::LocalSet,
    time::Instant,
};

use crate::{
    relay,
    runtime::{
        commit::{Commit, SocketId},
        crew::{Crew, HANDED, Handed, Mate},
        status::StatusView,
        tally::{Tallies, Tally},
        worker::{Desk, Order, Worker},
    },
};

/// Orders that may wait at a worker. The supervisor gives one at a time and waits for it; if it
/// gives up waiting, one more.
const ORDERS: usize = 2;

/// Pipes for splicing that the process may have: what `fs.pipe-user-pages-soft` (64 MiB) allows an
/// unprivileged user in pipes of 256 KiB. More sessions than that move bulk by copying.
const PIPES: usize = 256;

/// A socket that a worker can no longer serve, which only the supervisor can do something about.
#[derive(Debug)]
pub struct Incident {
    /// The socket that is no longer served by some worker.
    pub socket: SocketId,
    /// Why.
    pub error: io::Error,
}

/// A worker's thread has ended, which only a mistake of ours can make it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("worker {0} is lost")]
pub struct WorkerLost(pub usize);

/// The workers. Dropping it ends them at once, with every session they still have, and waits for
/// their threads.
#[derive(Debug)]
pub struct Workers {
    seats: Vec<Seat>,
    tallies: Arc<Tallies>,
    emptied: Arc<Notify>,
    status: watch::Receiver<Arc<StatusView>>,
    incidents: mpsc::Sender<Incident>,
}

/// What the supervisor's thread has of a worker.
#[derive(Debug)]
struct Seat {
    /// `None` once it has been told to end.
    orders: Option<mpsc::Sender<Order>>,
    /// `None` once it has been waited for.
    thread: Option<thread::JoinHandle<()>>,
    /// It, as the others know it.
    mate: Mate,
}

impl Workers {
    /// Starts workers that serve nothing yet.
    ///
    /// # Errors
    /// If a thread or its poll cannot be had; the workers begun so far are ended.
    pub fn start(
        count: NonZeroUsize,
        status: watch::Receiver<Arc<StatusView>>,
        incidents: mpsc::Sender<Incident>,
    ) -> io::Result<Self> {
        let mut workers = Self {
            seats: Vec::new(),
            tallies: Arc::default(),
            emptied: Arc::default(),
            status,
            incidents,
        };
        workers.grow(count)?;
        Ok(workers)
    }

    /// Starts more workers, up to `count`. Ones beyond it stay; [`Commit::workers`] says how many
    /// accept.
    ///
    /// # Errors
    /// If a thread or its poll cannot be had; the workers begun so far stay, and serve nothing yet.
    pub fn grow(&mut self, count: NonZeroUsize) -> io::Result<()> {
        for number in self.seats.len()..count.get() {
            let (clients, handed) = mpsc::channel(HANDED);
            let mate = Mate { sessions: Arc::default(), clients };
            let employ = Employ {
                number,
                workers: count.get(),
                tally: self.tallies.enlist(),
                sessions: Arc::clone(&mate.sessions),
                emptied: Arc::clone(&self.emptied),
                status: self.status.clone(),
                incidents: self.incidents.clone(),
            };
            let (orders, thread) = employ.start(handed)?;
            self.seats.push(Seat { orders: Some(orders), thread: Some(thread), mate });
        }
        Ok(())
    }

    /// Has every worker take over a commit, and waits until all have: then sockets that are not in
    /// it are in no poll any more, and no worker holds them.
    ///
    /// # Errors
    /// If a worker is lost. The others have taken over.
    pub async fn commit(&self, commit: Commit) -> Result<(), WorkerLost> {
        let accepting = self.seats.iter().take(commit.workers);
        let crew: Crew = accepting.map(|seat| seat.mate.clone()).collect();
        self.order(Some((commit, crew))).await
    }

    /// Resolves when every worker has come round to its orders, which shows that none is stuck.
    ///
    /// # Errors
    /// If a worker is lost.
    pub async fn answer(&self) -> Result<(), WorkerLost> {
        self.order(None).await
    }

    async fn order(&self, commit: Option<(Commit, Crew)>) -> Result<(), WorkerLost> {
        let mut waiting = Vec::with_capacity(self.seats.len());
        for seat in &self.seats {
            let (done, is_done) = oneshot::channel();
            if let Some(orders) = &seat.orders {
                // A worker that is lost drops `done`, and that is noticed below.
                let _lost = orders.send(Order { commit: commit.clone(), done }).await;
            }
            waiting.push(is_done);
        }
        drop(commit);
        let mut result = Ok(());
        for (number, is_done) in waiting.into_iter().enumerate() {
            if is_done.await.is_err() {
                result = Err(WorkerLost(number));
            }
        }
        result
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.seats.len()
    }

    /// Sessions now.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.seats.iter().map(|seat| seat.mate.sessions.load(SeqCst)).sum()
    }

    /// Sessions now of each worker.
    #[cfg(test)]
    pub(super) fn sessions_by_worker(&self) -> Vec<usize> {
        self.seats.iter().map(|seat| seat.mate.sessions.load(SeqCst)).collect()
    }

    /// What is counted of the process since it began.
    #[must_use]
    pub fn tallies(&self) -> &Arc<Tallies> {
        &self.tallies
    }

    /// Resolves when there is no session. New ones may begin as long as a socket is served.
    pub async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.sessions() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for seat in &mut self.seats {
            seat.orders = None;
        }
        for (number, seat) in self.seats.iter_mut().enumerate() {
            if seat.thread.take().is_some_and(|thread| thread.join().is_err()) {
                tracing::error!(worker = number, "worker panicked");
            }
        }
    }
}

/// What a worker is begun with.
struct Employ {
    number: usize,
    workers: usize,
    tally: Arc<Tally>,
    sessions: Arc<AtomicUsize>,
    emptied: Arc<Notify>,
    status: watch::Receiver<Arc<StatusView>>,
    incidents: mpsc::Sender<Incident>,
}

impl Employ {
    fn start(
        self,
        clients: mpsc::Receiver<Handed>,
    ) -> io::Result<(mpsc::Sender<Order>, thread::JoinHandle<()>)> {
        let (sender, orders) = mpsc::channel(ORDERS);
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let name = format!("worker-{}", self.number);
        let thread = thread::Builder::new().name(name).spawn(move || {
            // Its tasks are dropped before the runtime that polls for them.
            LocalSet::new().block_on(&runtime, async { self.worker().run(orders, clients).await });
        })?;
        Ok((sender, thread))
    }

    /// Made on its own thread, where it stays.
    fn worker(self) -> Worker {
        let desk = Desk {
            tally: self.tally,
            sessions: self.sessions,
            emptied: self.emptied,
            generation: Cell::default(),
            access_log: None.into(),
            relay: relay::Worker {
                pool: relay::Pool::new((PIPES / self.workers).max(1)),
                clock: relay::Clock::new(Instant::now()),
            },
            pipes_refused: Cell::default(),
            status: self.status,
            incidents: self.incidents,
        };
        Worker::new(self.number, desk)
    }
}
