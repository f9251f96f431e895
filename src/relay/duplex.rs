//! Both directions of a session, and how one side's end is the other's.

use std::{
    future::Future,
    os::fd::AsFd,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    task::yield_now,
    time::{Instant, Sleep, sleep, sleep_until, timeout},
};

use super::{
    Traffic, Worker,
    clock::Deadlines,
    direction::{Direction, Sink, Source, Wait},
    outcome::Outcome,
    stream::Stream,
};
use crate::{policy::Timeouts, sys::send_queue::unacknowledged};

/// How long the relay reads on after it has ended a session itself, so that what it sent last is
/// not lost to a reset.
const FAREWELL: Duration = Duration::from_secs(1);

/// The same for a side whose peer left while it was still sending: long enough for it to receive a
/// large response over a slow link and to understand that nobody listens.
const LINGER: Duration = Duration::from_secs(5);

/// How often a socket that is to be reset is asked whether its peer has received everything. There
/// is no event for that.
const UNACKNOWLEDGED_INTERVAL: Duration = Duration::from_millis(10);

/// One side of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Who connected to us.
    Client,
    /// Whom we connected to.
    Backend,
}

impl Side {
    fn closed(self) -> Outcome {
        match self {
            Self::Client => Outcome::ClientClosed,
            Self::Backend => Outcome::BackendClosed,
        }
    }

    /// The outcome when this side breaks off.
    pub(super) fn reset(self) -> Outcome {
        match self {
            Self::Client => Outcome::ClientReset,
            Self::Backend => Outcome::BackendReset,
        }
    }
}

/// How the session is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Both sockets may be closed.
    Orderly(Outcome),
    /// This side broke off, and the other has yet to learn of it.
    Reset(Side),
}

/// Both directions of a session.
#[derive(Debug)]
pub(super) struct Duplex<'w> {
    client: Stream,
    backend: Stream,
    upload: Direction<'w>,
    download: Direction<'w>,
    /// The side that ended first.
    first: Option<Side>,
    deadlines: Deadlines<'w>,
    /// Once set, the outcome is settled and input is read only to be thrown away, until then.
    farewell: Option<(Instant, Outcome)>,
    worker: &'w Worker,
}

impl<'w> Duplex<'w> {
    pub(super) fn new(
        client: Stream,
        backend: Stream,
        timeouts: &'w Timeouts,
        worker: &'w Worker,
    ) -> Self {
        Self {
            client,
            backend,
            upload: Direction::new(),
            download: Direction::new(),
            first: None,
            deadlines: Deadlines::new(timeouts, worker.clock.now()),
            farewell: None,
            worker,
        }
    }

    pub(super) fn traffic(&self) -> Traffic {
        Traffic { to_backend: self.upload.moved, to_client: self.download.moved }
    }

    /// Drives both directions as far as they go.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut stop: Pin<&mut impl Future<Output = ()>>,
        mut timer: Pin<&mut Option<Sleep>>,
    ) -> Poll<Ending> {
        loop {
            let waits = self.pump();
            if let Some(ending) = self.ending() {
                return Poll::Ready(ending);
            }
            if let Some(outcome) = self.poll_time(cx, timer.as_mut()) {
                if self.farewell.is_some() {
                    return Poll::Ready(Ending::Orderly(outcome));
                }
                self.say_farewell(outcome);
            } else if self.farewell.is_none() && stop.as_mut().poll(cx).is_ready() {
                self.say_farewell(Outcome::Drained);
            } else {
                self.park(cx, waits);
                return Poll::Pending;
            }
        }
    }

    /// Hands what is left of the session to the side that did not break off. That side gets a
    /// reset, but only once its peer has acknowledged every byte that came before it, because a
    /// reset destroys what is still under way.
    pub(super) async fn reset_other(self, broken: Side) {
        let other = match broken {
            Side::Client => self.backend,
            Side::Backend => self.client,
        };
        // A unix socket has no reset of its own.
        let Stream::Tcp(socket) = other else { return };
        let acknowledged = async {
            while unacknowledged(socket.as_fd()).is_ok_and(|bytes| bytes > 0) {
                sleep(UNACKNOWLEDGED_INTERVAL).await;
            }
        };
        // A peer that takes longer loses the rest; and a socket that cannot be told to reset is
        // closed all the same.
        timeout(FAREWELL, acknowledged).await.ok();
        socket.set_zero_linger().ok();
    }

    /// Moves what can be moved now.
    fn pump(&mut self) -> [Wait; 2] {
        let Self { client, backend, upload, download, .. } = self;
        let before = upload.moved + download.moved;
        let up = upload.pump(client, backend, self.worker, download.is_over());
        let down = download.pump(backend, client, self.worker, upload.is_over());
        if upload.moved + download.moved != before {
            self.deadlines.note_activity(self.worker.clock.now());
        }
        if upload.is_whole() && download.is_whole() {
            return [up, down];
        }
        self.deadlines.note_half_closed();
        if self.first.is_none() {
            let client_first = upload.source == Source::Ended || download.sink == Sink::Closed;
            self.first = Some(if client_first { Side::Client } else { Side::Backend });
        }
        [up, down]
    }

    /// How the session is to be ended, if it is over. Settles to linger when only input that nobody
    /// wants is left.
    fn ending(&mut self) -> Option<Ending> {
        let Self { upload, download, .. } = self;
        let (up_over, down_over) = (upload.is_over(), download.is_over());
        if let Some((_, outcome)) = self.farewell {
            return (up_over && down_over).then_some(Ending::Orderly(outcome));
        }
        // A sink that broke off may have sent something before; that is delivered first.
        if upload.source == Source::Reset || (download.sink == Sink::Reset && up_over) {
            return Some(Ending::Reset(Side::Client));
        }
        if download.source == Source::Reset || (upload.sink == Sink::Reset && down_over) {
            return Some(Ending::Reset(Side::Backend));
        }
        let outcome = self.first?.closed();
        if up_over && down_over {
            return Some(Ending::Orderly(outcome));
        }
        if (up_over || down_over) && upload.sink != Sink::Open && download.sink != Sink::Open {
            self.farewell = Some((self.worker.clock.now() + LINGER, outcome));
        }
        None
    }

    /// Ends both sides. Nothing is closed before its input has been read to the end, within bounds,
    /// because a close with unread input sends a reset, which may destroy the last bytes we sent.
    fn say_farewell(&mut self, outcome: Outcome) {
        self.upload.abandon(&self.backend);
        self.download.abandon(&self.client);
        self.farewell = Some((self.worker.clock.now() + FAREWELL, outcome));
    }

    /// The outcome if time is up. Activity does not touch the timer: when it fires early it is set
    /// again.
    fn poll_time(
        &self,
        cx: &mut Context<'_>,
        mut timer: Pin<&mut Option<Sleep>>,
    ) -> Option<Outcome> {
        let (due, outcome) = self.farewell.or_else(|| self.deadlines.next())?;
        let mut now = self.worker.clock.now();
        if timer.is_none() {
            timer.set(Some(sleep_until(self.deadlines.look_again(now, due))));
        }
        let mut sleep = timer.as_pin_mut().expect("it has just been set");
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            // The timer knows better than the clock how late it is.
            now = now.max(sleep.deadline());
            if now >= due {
                return Some(outcome);
            }
            sleep.as_mut().reset(self.deadlines.look_again(now, due));
        }
        None
    }

    /// Has the task woken when one of the two waits is over.
    fn park(&self, cx: &mut Context<'_>, [up, down]: [Wait; 2]) {
        let mut at_once = false;
        for (wait, from, to) in
            [(up, &self.client, &self.backend), (down, &self.backend, &self.client)]
        {
            at_once |= match wait {
                Wait::Readable => from.poll_readable(cx).is_ready(),
                Wait::Writable => to.poll_writable(cx).is_ready(),
                Wait::Turn => true,
                Wait::Nothing => false,
            };
        }
        // Unlike a plain wake, yielding lets every other session run and the runtime look for
        // events before it is our turn again. Polling the yield once is enough: it has asked for
        // the next turn by then.
        if at_once && pin!(yield_now()).poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}
