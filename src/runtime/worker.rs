//! One worker: a thread, its event loop, and everything on it. It does what commits say and shares
//! nothing but counts.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    select,
    sync::{Notify, mpsc, oneshot, watch},
    task::{self, JoinError, JoinSet},
    time::{self, MissedTickBehavior},
};

use crate::{
    policy::ListenerId,
    relay,
    runtime::{
        commit::{Assignment, Commit, Role, SocketId},
        crew::{Crew, Handed},
        duty::Duty,
        listener::{Door, stream_of},
        registry::Registry,
        serving::Serving,
        session::Session,
        status::StatusView,
        tally::Tally,
        workers::Incident,
    },
    telemetry::{Counter, Generation, access::Log},
};

/// How often a worker wakes though nothing happens.
///
/// A timer that is due before all others makes tokio write to an eventfd, to wake a thread that is
/// not asleep: two system calls, and twice per connection. With this one always due soon, longer
/// timers (those of sessions) cost none.
const TICK: Duration = Duration::from_secs(1);

/// An order, and whom to tell when it is done.
#[derive(Debug)]
pub(super) struct Order {
    /// What to take over, and with whom; without it the answer alone is wanted.
    pub(super) commit: Option<(Commit, Crew)>,
    pub(super) done: oneshot::Sender<()>,
}

/// What the tasks of a worker share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) tally: Arc<Tally>,
    /// Sessions now.
    pub(super) sessions: Arc<AtomicUsize>,
    /// Told each time that a worker's last session has ended.
    pub(super) emptied: Arc<Notify>,
    /// The configuration that was committed last; clients are turned away under this one.
    pub(super) generation: Cell<Generation>,
    pub(super) access_log: RefCell<Option<Log>>,
    pub(super) relay: relay::Worker,
    /// How many of the pool's refusals have been counted.
    pub(super) pipes_refused: Cell<usize>,
    pub(super) status: watch::Receiver<Arc<StatusView>>,
    pub(super) incidents: mpsc::Sender<Incident>,
}

impl Desk {
    pub(super) fn count(&self, counter: Counter, amount: u64) {
        self.tally.add(counter, amount);
    }

    /// Counts for a listener, and for the worker as a whole.
    pub(super) fn count_for(&self, serving: &Serving, counter: Counter, amount: u64) {
        serving.tally.add(counter, amount);
        self.tally.add(counter, amount);
    }

    /// A session is about to begin.
    pub(super) fn note_begin(&self) {
        self.sessions.fetch_add(1, SeqCst);
    }

    /// A session is over.
    pub(super) fn note_end(&self) {
        let refused = self.relay.pool.refusals();
        let counted = self.pipes_refused.replace(refused);
        self.count(Counter::PipesRefused, (refused - counted) as u64);
        if self.sessions.fetch_sub(1, SeqCst) == 1 {
            self.emptied.notify_waiters();
        }
    }

    /// Tells the supervisor. If so many incidents wait that there is no room for this one, it is
    /// looking already.
    pub(super) fn report(&self, incident: Incident) {
        let _full_or_gone = self.incidents.try_send(incident);
    }
}

/// The main task of a worker.
#[derive(Debug)]
pub(super) struct Worker {
    number: usize,
    desk: Rc<Desk>,
    listeners: BTreeMap<ListenerId, Rc<Serving>>,
    doors: BTreeMap<SocketId, Post>,
    /// The accept tasks of `doors`, and of those being retired.
    accepting: JoinSet<()>,
    /// One timer per listener that is gone and may still have sessions.
    drains: JoinSet<()>,
}

/// A socket that is served.
#[derive(Debug)]
struct Post {
    door: Rc<Door>,
    task: task::Id,
}

impl Worker {
    pub(super) fn new(number: usize, desk: Desk) -> Self {
        Self {
            number,
            desk: Rc::new(desk),
            listeners: BTreeMap::new(),
            doors: BTreeMap::new(),
            accepting: JoinSet::new(),
            drains: JoinSet::new(),
        }
    }

    /// Obeys until there is nobody to give orders. Then whatever still runs is dropped.
    pub(super) async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        mut clients: mpsc::Receiver<Handed>,
    ) {
        let mut tick = time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            select! {
                _ = tick.tick() => {}
                order = orders.recv() => {
                    let Some(Order { commit, done }) = order else { break };
                    if let Some((commit, crew)) = commit {
                        self.take_over(commit, &crew).await;
                    }
                    // Who gave the order may have stopped waiting.
                    let _nobody_waits = done.send(());
                }
                Some(client) = clients.recv() => self.take_up(client),
                Some(ended) = self.accepting.join_next_with_id() => self.note_ended(ended),
                Some(_timer) = self.drains.join_next() => {}
            }
        }
        // Those on their way are recorded as well, if only as cut off.
        clients.close();
        while let Ok(client) = clients.try_recv() {
            self.take_up(client);
        }
    }

    /// Begins the session of a client that another worker has accepted.
    fn take_up(&mut self, client: Handed) {
        let Handed { connection, arrival, place, state } = client;
        let known = self.listeners.get(&state.policy.id).cloned();
        let serving = known.unwrap_or_else(|| {
            let serving = Rc::new(Serving::new(&state, self.number));
            if state.generation > self.desk.generation.get() {
                // It is new, and the commit that brings it is on its way here.
                self.listeners.insert(state.policy.id.clone(), Rc::clone(&serving));
            } else {
                // It is gone in the meantime, and the client is one of its last.
                self.drain(Rc::clone(&serving));
            }
            serving
        });
        match stream_of(connection, &arrival) {
            Ok(stream) => Session::begin(&self.desk, serving, place, arrival, stream),
            Err(error) => {
                self.desk.count_for(&serving, Counter::AcceptPauses, 1);
                tracing::warn!(%error, "a client that was accepted cannot be polled");
                self.desk.note_end();
            }
        }
    }

    /// Ends the sessions of a listener that is gone when their time is up.
    fn drain(&mut self, gone: Rc<Serving>) {
        let drain = gone.state().drain;
        self.drains.spawn_local(async move {
            time::sleep(drain).await;
            gone.stop.call();
        });
    }

    /// Gets from whatever state to that of the commit. When it returns, it holds nothing of the
    /// commit but what it serves.
    async fn take_over(&mut self, commit: Commit, crew: &Crew) {
        self.desk.generation.set(commit.registry.generation);
        self.desk.access_log.replace(commit.access_log);
        let gone = self.update_listeners(&commit.registry);
        let (number, workers) = (self.number, commit.workers);
        let mut before = std::mem::take(&mut self.doors);
        for assignment in commit.assignments {
            if assignment.share.worker(assignment.id, workers) == number {
                let handed_on = assignment.share.is_handed_on(workers);
                let crew = if handed_on { crew.clone() } else { Crew::default() };
                self.serve(assignment, crew, &mut before);
            }
        }
        self.retire(before).await;
        for serving in gone {
            self.drain(serving);
        }
    }

    /// Brings the listeners up to the registry, and returns those that are no longer in it.
    fn update_listeners(&mut self, registry: &Registry) -> Vec<Rc<Serving>> {
        let mut before = std::mem::take(&mut self.listeners);
        for (id, state) in &registry.listeners {
            let serving = match before.remove(id) {
                Some(serving) => {
                    serving.update(state, self.number);
                    serving
                }
                None => Rc::new(Serving::new(state, self.number)),
            };
            self.listeners.insert(id.clone(), serving);
        }
        before.into_values().collect()
    }

    /// Serves a socket as assigned: on the task it has, if it has one.
    fn serve(&mut self, assignment: Assignment, crew: Crew, before: &mut BTreeMap<SocketId, Post>) {
        let Assignment { id, socket, role, .. } = assignment;
        let duty = self.duty(role);
        if let Some(post) = before.remove(&id) {
            post.door.assign(duty, crew);
            self.doors.insert(id, post);
            return;
        }
        match Door::open(id, &socket, duty, crew, Rc::clone(&self.desk)) {
            Ok(door) => {
                let task = self.accepting.spawn_local(Rc::clone(&door).accept()).id();
                self.doors.insert(id, Post { door, task });
            }
            Err(error) => {
                tracing::error!(%error, "listening socket cannot be polled");
                self.desk.report(Incident { socket: id, error });
            }
        }
    }

    fn duty(&self, role: Role) -> Duty {
        let serving = |listener: &ListenerId| {
            let serving = self.listeners.get(listener);
            Rc::clone(serving.expect("a commit names only listeners of its registry"))
        };
        match role {
            Role::Serve(listener) => Duty::Serve(serving(&listener)),
            Role::Linger { of, successors } => {
                let mut successors: Vec<_> = successors
                    .into_iter()
                    .map(|successor| {
                        let serving = serving(&successor.listener);
                        (successor, serving)
                    })
                    .collect();
                successors.sort_by_key(|(successor, _)| std::cmp::Reverse(successor.rank()));
                Duty::Linger { of, successors }
            }
        }
    }

    /// Has these sockets let in those who wait, and waits until they have left the poll.
    async fn retire(&mut self, mut posts: BTreeMap<SocketId, Post>) {
        posts.values().for_each(|post| post.door.retire());
        while !posts.is_empty() {
            let Some(ended) = self.accepting.join_next_with_id().await else { return };
            let task = match &ended {
                Ok((task, ())) => *task,
                Err(error) => error.id(),
            };
            posts.retain(|_, post| post.task != task);
            self.note_ended(ended);
        }
    }

    /// An accept task has ended, of itself or by a panic. Whoever served by it no longer does; the
    /// next commit that names the socket tries again.
    fn note_ended(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let (task, panicked) = match ended {
            Ok((task, ())) => (task, None),
            Err(error) => (error.id(), Some(error)),
        };
        let found = self.doors.iter().find(|(_, post)| post.task == task).map(|(id, _)| *id);
        let Some(socket) = found else { return };
        self.doors.remove(&socket);
        if let Some(error) = panicked {
            tracing::error!(%error, "accept task panicked");
            self.desk.report(Incident { socket, error: std::io::Error::other(error) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use tokio::time::Instant;

    use super::*;
    use crate::{
        plan::BindAddress,
        runtime::{
            sample::{listener, state, test_runtime},
            session::{Arrival, Local},
        },
    };

    fn desk(generation: u64) -> Desk {
        let view = StatusView {
            service: None,
            generation: Generation(generation),
            started: Instant::now(),
            draining: false,
            tallies: Arc::default(),
            listeners: Vec::new(),
        };
        Desk {
            tally: Arc::default(),
            sessions: Arc::default(),
            emptied: Arc::default(),
            generation: Cell::new(Generation(generation)),
            access_log: None.into(),
            relay: relay::Worker {
                pool: relay::Pool::new(1),
                clock: relay::Clock::new(Instant::now()),
            },
            pipes_refused: Cell::default(),
            status: watch::channel(Arc::new(view)).1,
            incidents: mpsc::channel(1).0,
        }
    }

    /// Whether a worker that is at this generation keeps a listener of the first one, of which it
    /// knows nothing until it is handed a client.
    fn keeps_the_listener(generation: u64) -> bool {
        test_runtime(async {
            let mut worker = Worker::new(0, desk(generation));
            let state = state(listener("web"));
            let (_client, connection) = UnixStream::pair().unwrap();
            connection.set_nonblocking(true).unwrap();
            let local = Arc::new(Local::of(&BindAddress::Unix("/x".into())));
            worker.desk.note_begin();
            worker.take_up(Handed {
                connection: connection.into(),
                arrival: Arrival::now(None, local),
                place: state.gate.place(None).unwrap(),
                state,
            });
            assert_eq!(worker.drains.is_empty(), !worker.listeners.is_empty());
            !worker.listeners.is_empty()
        })
    }

    #[test]
    fn a_client_of_an_unknown_listener_is_of_one_to_come_or_of_one_that_is_gone() {
        assert!(keeps_the_listener(0), "the commit that brings it is on its way");
        assert!(!keeps_the_listener(2), "a commit has taken it away");
    }
}
