//! One listening socket at one worker: clients come in by it, one task accepts them.

use std::{
    cell::{Cell, RefCell},
    io,
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use nix::errno::Errno;
use tokio::{
    io::unix::AsyncFd,
    net::{TcpStream, UnixStream},
    select,
    sync::Notify,
    task, time,
};

use crate::{
    admit::{Reason, Verdict},
    relay::Stream,
    runtime::{
        accept_error,
        bind::BoundSocket,
        commit::SocketId,
        crew::{Crew, Handed},
        duty::{Duty, Until},
        gate::Place,
        serving::{Seldom, Serving},
        session::{Arrival, Local, Session},
        worker::Desk,
        workers::Incident,
    },
    sys::{self, poll},
    telemetry::Counter,
};

/// Clients accepted before the worker's sessions have their turn.
const BURST: u32 = 16;

/// Clients that a retired socket still lets in: more than any kernel's queue holds by default
/// (`net.core.somaxconn`).
const LAST_CLIENTS: u32 = 8192;

/// How long a socket is left alone after a shortage of descriptors or memory: twice as long after
/// each in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest it is left alone. Clients wait in the kernel's queue meanwhile.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// One listening socket at one worker. The worker and the accept task hold it, and nobody else:
/// when both have let go the socket leaves this worker's poll, and then its descriptor may close.
#[derive(Debug)]
pub(super) struct Door {
    id: SocketId,
    socket: AsyncFd<poll::Polled>,
    local: Arc<Local>,
    desk: Rc<Desk>,
    duty: RefCell<Duty>,
    /// Whom clients are handed to; nobody, where the kernel has spread them already.
    crew: RefCell<Crew>,
    /// Told when `duty` or `retired` has changed.
    changed: Notify,
    /// Whether the task waits for something that depends on the duty.
    waiting: Cell<bool>,
    retired: Cell<bool>,
    /// The log line of a shortage.
    short: Seldom,
}

/// What one turn leaves for the next.
#[derive(Debug, Default)]
struct Held {
    /// A place that was waited for.
    place: Option<Place>,
    /// A client that waits for a place. By most sockets it is known before a client is accepted
    /// whether there is room for it, and it waits in the kernel's queue; by one that is being
    /// retired only the accepted client shows whose it is.
    client: Option<Client>,
}

/// A client that was accepted.
#[derive(Debug)]
struct Client {
    connection: OwnedFd,
    arrival: Arrival,
}

/// How a turn of accepting ended.
#[derive(Debug)]
enum Turn {
    /// Nobody waits.
    Empty,
    /// Somebody may.
    More,
    /// There is no room for the next client.
    Full(Rc<Serving>, Until),
    /// This host lacks something.
    Short(io::Error),
    /// The socket can never work again.
    Broken(io::Error),
}

impl Door {
    /// Takes the socket into this worker's poll.
    pub(super) fn open(
        id: SocketId,
        socket: &BoundSocket,
        duty: Duty,
        crew: Crew,
        desk: Rc<Desk>,
    ) -> io::Result<Rc<Self>> {
        let local = Arc::new(Local::of(socket.address()));
        let socket = poll::readable(socket.shared())?;
        desk.count(Counter::SocketsTaken, 1);
        Ok(Rc::new(Self {
            id,
            socket,
            local,
            desk,
            duty: RefCell::new(duty),
            crew: RefCell::new(crew),
            changed: Notify::new(),
            waiting: Cell::new(false),
            retired: Cell::new(false),
            short: Seldom::default(),
        }))
    }

    /// Has the socket serve this from now on.
    pub(super) fn assign(&self, duty: Duty, crew: Crew) {
        self.duty.replace(duty);
        self.crew.replace(crew);
        // Only a task that waits has looked at the duty already.
        if self.waiting.get() {
            self.changed.notify_one();
        }
    }

    /// Has the task let in those who wait, and end.
    pub(super) fn retire(&self) {
        self.retired.set(true);
        self.changed.notify_one();
    }

    /// Accepts until retired.
    pub(super) async fn accept(self: Rc<Self>) {
        let mut held = Held::default();
        let mut pause = FIRST_PAUSE;
        while !self.retired.get() {
            let ready = select! {
                () = self.changed.notified() => continue,
                ready = self.socket.readable() => ready,
            };
            // Only a runtime that shuts down fails here, and then this task goes too.
            let Ok(mut ready) = ready else { return };
            let turn = self.turn(&mut held);
            if !matches!(turn, Turn::Short(_)) {
                pause = FIRST_PAUSE;
            }
            match turn {
                Turn::Empty => ready.clear_ready(),
                Turn::More => task::yield_now().await,
                Turn::Full(serving, until) => held.place = self.wait(&serving, until).await,
                Turn::Short(error) => {
                    self.note_shortage(&error);
                    self.sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Turn::Broken(error) => return self.desk.report(self.broken(error)),
            }
        }
        self.let_the_last_in(held).await;
    }

    /// Lets in the clients whose handshake is done, since they have been promised a connection.
    /// Where there is no room nothing more can be done for them: closing the socket resets them.
    async fn let_the_last_in(&self, mut held: Held) {
        for _ in 0..LAST_CLIENTS / BURST {
            if !matches!(self.turn(&mut held), Turn::More) {
                break;
            }
            task::yield_now().await;
        }
        if let Some(client) = held.client {
            let duty = self.duty.borrow();
            match duty.heir(client.connection.as_fd()) {
                Ok(serving) => self.desk.deny(&serving, &client.arrival, Reason::Full),
                Err(of) => self.desk.turn_away(&of, &client.arrival, Reason::NotExposed),
            }
            abort(&client.connection);
        }
    }

    /// Waits until there may be room; returns the place, if that is what was waited for.
    async fn wait(&self, serving: &Serving, until: Until) -> Option<Place> {
        let (counter, limit) = match &until {
            Until::Place(..) => (Counter::ConnectionsReached, "connections"),
            Until::Turn(_) => (Counter::RateReached, "rate"),
        };
        self.desk.count_for(serving, counter, 1);
        if serving.waiting.is_due(time::Instant::now()) {
            let state = serving.state();
            tracing::warn!(listener = %state.policy.id, limit, "limit is reached, further clients wait");
        }
        match until {
            Until::Turn(wait) => {
                self.sleep(wait).await;
                None
            }
            Until::Place(gate, limit) => {
                self.waiting.set(true);
                let place = select! {
                    place = gate.wait(limit) => Some(place),
                    () = self.changed.notified() => None,
                };
                self.waiting.set(false);
                place
            }
        }
    }

    /// A new duty, or the end of all, does not wait for a shortage or a rate.
    async fn sleep(&self, wait: Duration) {
        self.waiting.set(true);
        select! {
            () = time::sleep(wait) => {}
            () = self.changed.notified() => {}
        }
        self.waiting.set(false);
    }

    /// Accepts until nobody waits, or others must have their turn.
    fn turn(&self, held: &mut Held) -> Turn {
        for _ in 0..BURST {
            let client = match held.client.take() {
                Some(client) => client,
                None => match self.next_client(held) {
                    Ok(Some(client)) => client,
                    Ok(None) => continue,
                    Err(turn) => {
                        // Others are not to wait for a place that nobody comes for.
                        held.place = None;
                        return turn;
                    }
                },
            };
            if let Err(turn) = self.receive(client, held) {
                return turn;
            }
        }
        Turn::More
    }

    /// Accepts the next client; `None` if it was gone before. Where it is known whose it will be,
    /// there has to be room for it first, so that it waits in the kernel's queue.
    fn next_client(&self, held: &mut Held) -> Result<Option<Client>, Turn> {
        if let Duty::Serve(serving) = &*self.duty.borrow() {
            let room = serving.room(held.place.take());
            held.place = Some(room.map_err(|until| Turn::Full(Rc::clone(serving), until))?);
        }
        let error = match sys::socket::accept(self.socket.get_ref().as_fd()) {
            Ok((connection, peer)) => {
                let arrival = Arrival::now(peer.as_socket(), Arc::clone(&self.local));
                return Ok(Some(Client { connection, arrival }));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(Turn::Empty),
            Err(error) => error,
        };
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
        match accept_error::classify(errno) {
            accept_error::Verdict::Retry => {
                self.count(Counter::AcceptRetries);
                Ok(None)
            }
            accept_error::Verdict::Pause => Err(Turn::Short(error)),
            accept_error::Verdict::Fatal => Err(Turn::Broken(error)),
        }
    }

    /// Begins a session with a client, keeps it until there is room for it, or turns it away.
    fn receive(&self, client: Client, held: &mut Held) -> Result<(), Turn> {
        let serving = match self.duty.borrow().heir(client.connection.as_fd()) {
            Ok(serving) => serving,
            Err(of) => {
                self.desk.turn_away(&of, &client.arrival, Reason::NotExposed);
                abort(&client.connection);
                return Ok(());
            }
        };
        let mut place = match serving.room(held.place.take()) {
            Ok(place) => place,
            Err(until) => {
                held.client = Some(client);
                return Err(Turn::Full(serving, until));
            }
        };
        let Client { connection, arrival } = client;
        let address = arrival.client.map(|client| client.ip());
        let state = Arc::clone(&serving.state());
        match place.admit(&state, address, arrival.at) {
            Verdict::Admit => {
                let client = Handed { connection, arrival, place, state };
                let handed = self.crew.borrow().hand_over(&self.desk.sessions, client);
                handed.or_else(|client| self.begin(serving, client))
            }
            Verdict::Deny(reason) => {
                self.desk.deny(&serving, &arrival, reason);
                abort(&connection);
                Ok(())
            }
        }
    }

    /// Begins a session here. The poll may have no room for it; as with descriptors, there will be
    /// room once sessions have ended.
    fn begin(&self, serving: Rc<Serving>, client: Handed) -> Result<(), Turn> {
        let Handed { connection, arrival, place, .. } = client;
        let stream = stream_of(connection, &arrival).map_err(Turn::Short)?;
        self.desk.note_begin();
        Session::begin(&self.desk, serving, place, arrival, stream);
        Ok(())
    }

    /// Counts for the listener, where it is known, and for the worker.
    fn count(&self, counter: Counter) {
        match &*self.duty.borrow() {
            Duty::Serve(serving) => self.desk.count_for(serving, counter, 1),
            Duty::Linger { .. } => self.desk.count(counter, 1),
        }
    }

    fn note_shortage(&self, error: &io::Error) {
        self.count(Counter::AcceptPauses);
        if self.short.is_due(time::Instant::now()) {
            tracing::warn!(%error, socket = %self.local.endpoint, "cannot accept, will try again");
        }
    }

    fn broken(&self, error: io::Error) -> Incident {
        self.count(Counter::AcceptFailures);
        tracing::error!(%error, socket = %self.local.endpoint, "listening socket is broken");
        Incident { socket: self.id, error }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.desk.count(Counter::SocketsReleased, 1);
    }
}

/// Has a connection that is turned away be reset.
fn abort(connection: &OwnedFd) {
    // If the option cannot be set the client sees an orderly end, which is as good.
    let _unset = sys::socket::abort_on_close(connection.as_fd());
}

/// Takes a connection into this worker's poll.
pub(super) fn stream_of(connection: OwnedFd, arrival: &Arrival) -> io::Result<Stream> {
    if arrival.client.is_some() {
        TcpStream::from_std(connection.into()).map(Stream::from)
    } else {
        UnixStream::from_std(connection.into()).map(Stream::from)
    }
}
