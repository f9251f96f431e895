//! One client, from the door to the end: reach a backend, relay, and be counted and recorded
//! exactly once.

use std::{
    cell::Cell, future::poll_fn, net::SocketAddr, ops::Deref, pin::pin, rc::Rc, sync::Arc, thread,
    time::SystemTime,
};

use tokio::{io::Interest, select, task, time::Instant};

use crate::{
    admit::Reason,
    plan::BindAddress,
    policy::ListenerId,
    relay::{
        Stream, Traffic,
        outcome::{ConnectFailure, Outcome},
        relay,
    },
    runtime::{
        connect::connect,
        gate::Place,
        registry::ListenerState,
        serving::Serving,
        status,
        upstream::{BackendPlace, Target, UpstreamState},
        worker::Desk,
    },
    telemetry::{
        Counter, Generation,
        access::{Endpoint, Record},
    },
};

/// The socket that a client came to.
#[derive(Debug)]
pub(super) struct Local {
    /// As it is shown. The bound address: asking for the connection's own would be a system call
    /// per session.
    pub(super) endpoint: Endpoint,
    /// Its port, if it has one. Every port is a socket of its own, so it is also the connection's.
    port: Option<u16>,
}

impl Local {
    pub(super) fn of(address: &BindAddress) -> Self {
        match address {
            BindAddress::Tcp(address) => {
                Self { endpoint: Endpoint::Ip(*address), port: Some(address.port()) }
            }
            BindAddress::Unix(path) => {
                Self { endpoint: Endpoint::Path(path.as_path().into()), port: None }
            }
        }
    }
}

/// A client at the door: who, where, when.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) client: Option<SocketAddr>,
    local: Arc<Local>,
    pub(super) at: Instant,
}

impl Arrival {
    pub(super) fn now(client: Option<SocketAddr>, local: Arc<Local>) -> Self {
        Self { client, local, at: Instant::now() }
    }

    /// The client, as it is shown.
    fn endpoint(&self) -> Endpoint {
        self.client.map_or(Endpoint::Unnamed, Endpoint::Ip)
    }
}

/// A session. Dropping it counts and records it, however it came to be dropped: at its end, by a
/// panic, or with the worker.
#[derive(Debug)]
pub(super) struct Session {
    serving: Rc<Serving>,
    /// The configuration it began under, and ends under.
    state: Arc<ListenerState>,
    arrival: Arrival,
    /// Position of the backend that was tried last.
    backend: Cell<Option<usize>>,
    outcome: Cell<Outcome>,
    traffic: Cell<Traffic>,
    /// Given back after the session is recorded, and before it counts as over: fields are dropped
    /// in order.
    _place: Place,
    desk: Presence,
}

/// The presence of a session at a desk. Dropping it tells the desk, and is the last that is heard
/// of the session.
#[derive(Debug)]
struct Presence(Rc<Desk>);

impl Deref for Presence {
    type Target = Desk;

    fn deref(&self) -> &Desk {
        &self.0
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.note_end();
    }
}

impl Session {
    /// Begins a session, which the desk has noted, in a task of its own. Nobody waits for the task:
    /// the session itself tells when it is over, and the desk knows how many are not.
    pub(super) fn begin(
        desk: &Rc<Desk>,
        serving: Rc<Serving>,
        place: Place,
        arrival: Arrival,
        client: Stream,
    ) {
        desk.count_for(&serving, Counter::SessionsAdmitted, 1);
        let state = Arc::clone(&serving.state());
        let session = Self {
            serving,
            state,
            arrival,
            backend: Cell::new(None),
            // The outcome if the session is dropped from outside: its worker was stopped.
            outcome: Cell::new(Outcome::Drained),
            traffic: Cell::default(),
            _place: place,
            desk: Presence(Rc::clone(desk)),
        };
        task::spawn_local(session.run(client));
    }

    #[expect(clippy::manual_async_fn, reason = "an async function would hold its arguments twice")]
    pub(super) fn run(self, client: Stream) -> impl Future<Output = ()> {
        async move {
            let Some(upstream) = &self.state.upstream else {
                // On the heap, so that it does not make every other session larger.
                let answered = Box::pin(self.answer(client)).await;
                return self.outcome.set(answered);
            };
            // Likewise: connecting is over soon, and takes more room than the relay after it.
            let reached = Box::pin(self.reach(upstream, &client)).await;
            let (backend, _place) = match reached {
                Ok(reached) => reached,
                Err(outcome) => return self.outcome.set(outcome),
            };
            let clock = &self.desk.relay.clock;
            clock.advance(Instant::now());
            let timeouts = &self.state.policy.timeouts;
            let stop = self.serving.stop.called();
            let mut relaying = pin!(relay(client, backend, timeouts, &self.desk.relay, stop));
            // The relay reads the clock whenever a byte moves; the clock is set once per wake-up.
            let (outcome, traffic) = poll_fn(|cx| {
                clock.advance(Instant::now());
                relaying.as_mut().poll(cx)
            })
            .await;
            self.outcome.set(outcome);
            self.traffic.set(traffic);
        }
    }

    /// Connects to a backend, unless the client breaks off meanwhile or the time to drain is over.
    /// A client that has only ended its output waits for an answer.
    async fn reach(
        &self,
        upstream: &UpstreamState,
        client: &Stream,
    ) -> Result<(Stream, BackendPlace), Outcome> {
        select! {
            reached = self.try_backends(upstream) => reached,
            () = broken_off(client) => Err(Outcome::ClientReset),
            () = self.serving.stop.called() => Err(Outcome::Drained),
        }
    }

    async fn try_backends(
        &self,
        upstream: &UpstreamState,
    ) -> Result<(Stream, BackendPlace), Outcome> {
        let policy = upstream.policy();
        let mut tried = Vec::new();
        let mut outcome = Outcome::NoBackend;
        for _ in 0..=policy.retries {
            let Some(picked) = upstream.pick(&mut self.serving.turn.borrow_mut(), &tried) else {
                break;
            };
            self.backend.set(Some(picked.at));
            let failure = match connect(self.target(picked.at), policy.connect_timeout).await {
                Ok(stream) => return Ok((stream, picked.place)),
                Err(failure) => failure,
            };
            self.desk.count_for(&self.serving, counter_of(failure), 1);
            outcome = Outcome::ConnectFailed(failure);
            tried.push(picked.at);
        }
        Err(outcome)
    }

    async fn answer(&self, client: Stream) -> Outcome {
        let view = &self.desk.status;
        select! {
            () = status::answer(client, view, &self.state.policy.timeouts) => Outcome::Answered,
            () = self.serving.stop.called() => Outcome::Drained,
        }
    }

    fn target(&self, backend: usize) -> Target<'_> {
        let upstream = self.state.upstream.as_ref().expect("only its backends are targets");
        Target::of(&upstream.policy().backends[backend].address, self.arrival.local.port)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if thread::panicking() {
            self.outcome.set(Outcome::Panicked);
            tracing::error!(listener = %self.state.policy.id, "session panicked");
        }
        let Traffic { to_backend, to_client } = self.traffic.get();
        self.desk.count_for(&self.serving, Counter::BytesToBackend, to_backend);
        self.desk.count_for(&self.serving, Counter::BytesToClient, to_client);
        let backend = self.backend.get().map(|backend| self.target(backend).endpoint());
        let (listener, generation) = (&self.state.policy.id, self.state.generation);
        let outcome = self.outcome.get();
        self.serving.tally.note(outcome);
        self.desk.record(listener, generation, &self.arrival, backend, self.traffic.get(), outcome);
    }
}

impl Desk {
    /// Counts and records a client that was turned away by its listener.
    pub(super) fn deny(&self, serving: &Serving, arrival: &Arrival, reason: Reason) {
        serving.tally.note(Outcome::Denied(reason));
        let listener = serving.state().policy.id.clone();
        let is_limit = matches!(reason, Reason::TooMany | Reason::TooFast);
        if is_limit && serving.turning_away.is_due(arrival.at) {
            let (client, outcome) = (arrival.endpoint(), Outcome::Denied(reason));
            tracing::warn!(%listener, %client, %outcome, "limit is reached, client turned away");
        }
        self.turn_away(&listener, arrival, reason);
    }

    /// Counts and records a client that was turned away. The listener may be gone.
    pub(super) fn turn_away(&self, listener: &ListenerId, arrival: &Arrival, reason: Reason) {
        let (generation, outcome) = (self.generation.get(), Outcome::Denied(reason));
        self.record(listener, generation, arrival, None, Traffic::default(), outcome);
    }

    fn record(
        &self,
        listener: &ListenerId,
        generation: Generation,
        arrival: &Arrival,
        backend: Option<Endpoint>,
        traffic: Traffic,
        outcome: Outcome,
    ) {
        self.tally.note(outcome);
        let log = self.access_log.borrow();
        let Some(log) = &*log else { return };
        let record = Record {
            time: wall_clock(),
            listener: listener.clone(),
            client: arrival.endpoint(),
            local: arrival.local.endpoint.clone(),
            backend,
            bytes_to_backend: traffic.to_backend,
            bytes_to_client: traffic.to_client,
            duration: arrival.at.elapsed(),
            outcome: outcome.word(),
            generation,
        };
        if log.write(record).is_err() {
            self.count(Counter::AccessRecordsDropped, 1);
        }
    }
}

/// Waits until the client has broken off. The end of its output is not that.
async fn broken_off(client: &Stream) {
    // The wait fails only when the runtime shuts down, and then this task goes too.
    let _ready = match client {
        Stream::Tcp(stream) => stream.ready(Interest::ERROR).await,
        Stream::Unix(stream) => stream.ready(Interest::ERROR).await,
    };
}

fn counter_of(failure: ConnectFailure) -> Counter {
    match failure {
        ConnectFailure::Refused => Counter::ConnectsRefused,
        ConnectFailure::TimedOut => Counter::ConnectsTimedOut,
        ConnectFailure::Unreachable => Counter::ConnectsUnreachable,
        ConnectFailure::Local => Counter::ConnectsLocal,
    }
}

#[expect(clippy::disallowed_methods, reason = "the record of a session says when it ended")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}
