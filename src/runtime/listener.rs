//! One listening socket at one worker: clients come in by it, one task accepts them.

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    num::NonZeroU32,
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use nix::errno::Errno;
use socket2::{SockAddr, SockRef};
use tokio::{
    io::unix::AsyncFd,
    net::{TcpStream, UnixStream},
    select,
    sync::Notify,
    task, time,
};

use crate::{
    admit::{Reason, Verdict},
    policy::ListenerId,
    relay::Stream,
    runtime::{
        accept_error,
        bind::BoundSocket,
        commit::{SocketId, Successor},
        gate::{Gate, Place},
        session::{Arrival, Local, Session},
        worker::{Desk, Serving},
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

/// How often a shortage that goes on is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// What a socket is for now, as far as this worker is concerned.
#[derive(Debug)]
pub(super) enum Duty {
    /// Every client is this listener's.
    Serve(Rc<Serving>),
    /// Each client belongs to the listener whose address and interface it came to; see
    /// [`crate::runtime::Role::Linger`].
    Linger {
        /// Whose the socket was.
        of: ListenerId,
        /// The best match first.
        successors: Vec<(Successor, Rc<Serving>)>,
    },
}

/// One listening socket at one worker. The worker and the accept task hold it, and nobody else:
/// when both have let go the socket leaves this worker's poll, and then its descriptor may close.
#[derive(Debug)]
pub(super) struct Door {
    id: SocketId,
    socket: AsyncFd<poll::Polled>,
    local: Rc<Local>,
    desk: Rc<Desk>,
    duty: RefCell<Duty>,
    /// Told when `duty` or `retired` has changed, or a limit that the task waits on.
    changed: Notify,
    /// Whether the task waits for a place.
    full: Cell<bool>,
    retired: Cell<bool>,
    /// When the log was last told of a shortage.
    logged: Cell<Option<time::Instant>>,
}

/// How a turn of accepting ended.
#[derive(Debug)]
enum Turn {
    /// Nobody waits.
    Empty,
    /// Somebody may.
    More,
    /// The listener has no place left.
    Full(Arc<Gate>, Option<NonZeroU32>),
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
        desk: Rc<Desk>,
    ) -> io::Result<Rc<Self>> {
        let local = Rc::new(Local::of(socket.address()));
        let socket = poll::readable(socket.shared())?;
        desk.count(Counter::SocketsTaken, 1);
        Ok(Rc::new(Self {
            id,
            socket,
            local,
            desk,
            duty: RefCell::new(duty),
            changed: Notify::new(),
            full: Cell::new(false),
            retired: Cell::new(false),
            logged: Cell::new(None),
        }))
    }

    /// Has the socket serve this from now on.
    pub(super) fn assign(&self, duty: Duty) {
        self.duty.replace(duty);
        // Only a task that waits for a place has looked at the duty already.
        if self.full.get() {
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
        let mut held = None;
        let mut pause = FIRST_PAUSE;
        while !self.retired.get() {
            let ready = select! {
                () = self.changed.notified() => continue,
                ready = self.socket.readable() => ready,
            };
            // Only a runtime that shuts down fails here, and then this task goes too.
            let Ok(mut ready) = ready else { return };
            let turn = self.turn(held.take());
            if !matches!(turn, Turn::Short(_)) {
                pause = FIRST_PAUSE;
            }
            match turn {
                Turn::Empty => ready.clear_ready(),
                Turn::More => task::yield_now().await,
                Turn::Full(gate, limit) => held = self.wait_for_place(&gate, limit).await,
                Turn::Short(error) => {
                    self.note_shortage(&error);
                    self.wait(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Turn::Broken(error) => return self.desk.report(self.broken(error)),
            }
        }
        drop(held);
        self.let_the_last_in().await;
    }

    /// Lets in the clients whose handshake is done, since they have been promised a connection.
    /// Where the listener is full nothing more can be done for them: closing the socket resets
    /// them.
    async fn let_the_last_in(&self) {
        for _ in 0..LAST_CLIENTS / BURST {
            if !matches!(self.turn(None), Turn::More) {
                break;
            }
            task::yield_now().await;
        }
    }

    async fn wait_for_place(&self, gate: &Arc<Gate>, limit: Option<NonZeroU32>) -> Option<Place> {
        self.full.set(true);
        let place = select! {
            place = gate.wait(limit) => Some(place),
            () = self.changed.notified() => None,
        };
        self.full.set(false);
        place
    }

    async fn wait(&self, pause: Duration) {
        select! {
            () = time::sleep(pause) => {}
            // A socket that is retired does not wait for a shortage to end.
            () = self.changed.notified() => {}
        }
    }

    /// Accepts until nobody waits, or others must have their turn. The place is taken before the
    /// client is accepted, so a client for whom there is none stays in the kernel's queue.
    fn turn(&self, mut held: Option<Place>) -> Turn {
        for _ in 0..BURST {
            let place = match self.place(held.take()) {
                Ok(place) => place,
                Err(full) => return full,
            };
            let error = match sys::socket::accept(self.socket.get_ref().as_fd()) {
                Ok((connection, peer)) => match self.receive(connection, &peer, place) {
                    Ok(()) => continue,
                    // The poll has no room for it. As with descriptors, there will be room once
                    // sessions have ended.
                    Err(error) => return Turn::Short(error),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Turn::Empty,
                Err(error) => error,
            };
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
            match accept_error::classify(errno) {
                accept_error::Verdict::Retry => self.desk.count(Counter::AcceptRetries, 1),
                accept_error::Verdict::Pause => return Turn::Short(error),
                accept_error::Verdict::Fatal => return Turn::Broken(error),
            }
        }
        Turn::More
    }

    /// A place for the next client, if it is known already which listener will have it. The place
    /// that is held may have been waited for under another duty.
    fn place(&self, held: Option<Place>) -> Result<Option<Place>, Turn> {
        let Duty::Serve(serving) = &*self.duty.borrow() else { return Ok(None) };
        let state = serving.state();
        if let Some(place) = held.filter(|place| place.is_at(&state.gate)) {
            return Ok(Some(place));
        }
        let limit = state.policy.limits.connections;
        match state.gate.place(limit) {
            Some(place) => Ok(Some(place)),
            None => Err(Turn::Full(Arc::clone(&state.gate), limit)),
        }
    }

    /// Begins a session with a client, or turns it away.
    fn receive(
        &self,
        connection: OwnedFd,
        peer: &SockAddr,
        place: Option<Place>,
    ) -> io::Result<()> {
        let arrival = Arrival::now(peer.as_socket(), Rc::clone(&self.local));
        match self.admit(&connection, peer.as_socket(), place) {
            Ok((serving, place)) => {
                let stream = stream_of(connection, peer)?;
                Session::begin(&self.desk, serving, place, arrival, stream);
            }
            Err((listener, reason)) => {
                self.desk.deny(&listener, &arrival, reason);
                // If the option cannot be set the client sees an orderly end, which is as good as a
                // reset.
                let _unset = sys::socket::abort_on_close(connection.as_fd());
            }
        }
        Ok(())
    }

    /// Whose client it is, with its place there.
    fn admit(
        &self,
        connection: &OwnedFd,
        client: Option<SocketAddr>,
        place: Option<Place>,
    ) -> Result<(Rc<Serving>, Place), (ListenerId, Reason)> {
        let duty = self.duty.borrow();
        let serving = match &*duty {
            Duty::Serve(serving) => serving,
            Duty::Linger { of, successors } => {
                heir(successors, connection).ok_or_else(|| (of.clone(), Reason::NotExposed))?
            }
        };
        let state = serving.state();
        let denied = |reason| (state.policy.id.clone(), reason);
        let place = place.or_else(|| state.gate.place(state.policy.limits.connections));
        let mut place = place.ok_or_else(|| denied(Reason::Full))?;
        match place.admit(&state.policy, client.map(|client| client.ip())) {
            Verdict::Admit => Ok((Rc::clone(serving), place)),
            Verdict::Deny(reason) => Err(denied(reason)),
        }
    }

    fn note_shortage(&self, error: &io::Error) {
        self.desk.count(Counter::AcceptPauses, 1);
        let now = time::Instant::now();
        if self.logged.get().is_none_or(|last| now - last >= LOG_INTERVAL) {
            self.logged.set(Some(now));
            tracing::warn!(%error, socket = %self.local.endpoint, "cannot accept, will try again");
        }
    }

    fn broken(&self, error: io::Error) -> Incident {
        self.desk.count(Counter::AcceptFailures, 1);
        tracing::error!(%error, socket = %self.local.endpoint, "listening socket is broken");
        Incident { socket: self.id, error }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.desk.count(Counter::SocketsReleased, 1);
    }
}

/// Who serves what this connection came to.
fn heir<'a>(
    successors: &'a [(Successor, Rc<Serving>)],
    connection: &OwnedFd,
) -> Option<&'a Rc<Serving>> {
    let local = SockRef::from(connection).local_addr().ok()?.as_socket()?;
    let ingress = sys::socket::ingress_index(connection.as_fd()).ok().flatten();
    let heir = successors.iter().find(|(successor, _)| successor.covers(local, ingress));
    heir.map(|(_, serving)| serving)
}

/// Takes a connection into this worker's poll.
fn stream_of(connection: OwnedFd, peer: &SockAddr) -> io::Result<Stream> {
    if peer.as_socket().is_some() {
        TcpStream::from_std(connection.into()).map(Stream::from)
    } else {
        UnixStream::from_std(connection.into()).map(Stream::from)
    }
}
