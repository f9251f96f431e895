//! A new process takes the place of this one without a client noticing.
//!
//! ```text
//!  new                                old
//!   │ (its file is good, its sockets are planned)
//!   │ HELLO ───────────────────────▶   │   reloads wait from here on
//!   │ ◀─────────────────────── WELCOME │
//!   │ GET ─────────────────────────▶   │
//!   │ ◀──────── BATCH, 64 descriptors  │
//!   │ ACK ─────────────────────────▶   │   and so on
//!   │ (adopts, binds what is missing)
//!   │ READY ───────────────────────▶   │   until here the old one is as it was; if the new one
//!   │ ◀────────────── DRAINING or ABORT│   ends, errs or is late, it goes on
//!   │ (serves)                         │
//!   │ SERVING ─────────────────────▶   │   now the admin socket is the new one's
//!   │ ◀─────────────── SESSIONS, EOF   │   until the last session has ended, or `runtime.drain`
//! ```
//!
//! Either the old process starts the new one (`portcullis upgrade`), with the channel as its
//! standard input, or the new one asks for the channel over the admin socket (`run --takeover`).
//! The service manager is told by the new one that it is the main process by now; the old one says
//! nothing more (`Supervisor::relieve`).

mod channel;
pub mod frame;
mod give;
mod predecessors;
mod take;

use std::{
    os::fd::{AsFd as _, OwnedFd},
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};

use socket2::Socket;
use tokio::{sync::oneshot, task::JoinHandle};
use tracing::{info, warn};

pub use self::take::{TakeError, TakeOver};
pub(super) use self::{
    channel::Channel,
    give::{Descriptor, GiveError},
    predecessors::Predecessors,
    take::take,
};

use self::{
    channel::{Broken, mention},
    frame::{Item, Message},
    give::{Parcel, give},
    take::{Legacy, Relieved},
};
use super::{
    Supervisor,
    admin::{Reply, protocol::Answer, report},
    binder::BinderError,
    lock::Holder,
    sockets::Done,
    systemd::Systemd,
};
use crate::sys::scm;

/// Time for a new process until it serves, unless whoever asks allows less. Reading the file and
/// binding take a second; the rest is for a machine that is busy.
pub const HAND_OVER: Duration = Duration::from_secs(60);

/// Time for a process that has closed its end of the channel to be gone.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// Time for a new process to be asked at the admin socket once it serves.
const LAST_WORD: Duration = Duration::from_secs(5);

/// A hand-over that is under way.
#[derive(Debug)]
pub(super) struct Giving {
    task: JoinHandle<Result<Channel, GiveError>>,
    channel: Arc<Socket>,
    /// The new process, if it was started for this one.
    child: Option<u32>,
    /// Who wants to know how it ends.
    answer: Option<oneshot::Sender<Reply>>,
}

/// The new process serves.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) channel: Channel,
    child: Option<u32>,
    answer: Option<oneshot::Sender<Reply>>,
}

impl Supervisor<'_> {
    /// Starts the program anew, to hand over to it.
    pub(super) fn upgrade(&mut self, within: Duration, answer: oneshot::Sender<Reply>) {
        let started = scm::pair().map_err(BinderError::from).and_then(|(near, far)| {
            let child = self.service.binder.launch(far.as_fd())?;
            let giving = self.begin_giving(near, within.min(HAND_OVER))?;
            Ok((giving, child))
        });
        match started {
            Ok((giving, child)) => {
                info!(pid = child, "a new process is started to take over");
                self.giving = Some(Giving { child: Some(child), answer: Some(answer), ..giving });
            }
            Err(error) => {
                let reason = format!("cannot start the new process: {error}");
                warn!(%error, "cannot start the new process");
                reply(answer, Reply::refused(reason));
            }
        }
    }

    /// Hands over to whoever has the other end of the channel that is the answer.
    pub(super) fn offer(&mut self, answer: oneshot::Sender<Reply>) {
        let begun =
            scm::pair().and_then(|(near, far)| Ok((self.begin_giving(near, HAND_OVER)?, far)));
        match begun {
            Ok((giving, far)) => {
                info!("another process asks to take over");
                self.giving = Some(giving);
                reply(answer, Reply::with(far));
            }
            Err(error) => reply(answer, Reply::refused(format!("there is no channel: {error}"))),
        }
    }

    fn begin_giving(&self, socket: OwnedFd, within: Duration) -> std::io::Result<Giving> {
        let channel = Channel::over(socket)?;
        let lock = self.lock.as_ref().map(|lock| (Item::Lock, lock.shared() as Descriptor));
        let items = lock.into_iter().chain(self.predecessors.items()).chain(self.sockets.items());
        let parcel = Parcel { generation: self.generation.0, items: items.collect() };
        let shared = channel.shared();
        let task = tokio::spawn(give(channel, parcel, within));
        Ok(Giving { task, channel: shared, child: None, answer: None })
    }

    /// What came of a hand-over; `None` means that this process goes on as before.
    pub(super) async fn given(
        &mut self,
        giving: Giving,
        result: Result<Channel, GiveError>,
    ) -> Option<Given> {
        let error = match result {
            Ok(channel) => {
                let Giving { child, answer, .. } = giving;
                return Some(Given { channel, child, answer });
            }
            Err(error) => error,
        };
        // The new one may have opened the door for sockets beside ours.
        self.sockets.forbid_joining();
        let is_gone = matches!(error, GiveError::Broken(Broken::Gone));
        let within = if is_gone { LAST_BREATH } else { Duration::ZERO };
        let reason = match self.end(giving.child, within).await {
            Some(status) => {
                format!("the new process ended before it served: {}", words(status))
            }
            None => error.to_string(),
        };
        warn!(%reason, "nothing is handed over; this process goes on");
        if let Some(answer) = giving.answer {
            reply(answer, Reply::refused(reason));
        }
        None
    }

    /// Ends a hand-over that is under way, because this process is told to stop.
    pub(super) async fn call_off(&mut self) {
        let Some(giving) = self.giving.take() else { return };
        giving.task.abort();
        mention(&giving.channel, Message::Abort { reason: "it is told to stop".to_owned() });
        self.end(giving.child, Duration::ZERO).await;
        if let Some(answer) = giving.answer {
            reply(answer, Reply::refused("the process is told to stop"));
        }
    }

    /// Lets the new process take over: this one accepts nobody from here on, and removes no file
    /// and no lock, because they are the other's.
    pub(super) async fn relieve(&mut self, given: &mut Given) {
        // From here on the other one speaks.
        self.systemd = Systemd::default();
        let sockets = self.sockets.let_go();
        // A probe that is still in is not sent elsewhere: the service is where it was.
        self.retire(&Done::default()).await;
        drop(sockets);
        self.lock = None;
        self.predecessors.leave();
        let sessions = self.workers.sessions();
        info!(sessions, "another process serves; what is left here may finish");
        // Whether it still listens or not, it serves, and this one does not.
        let _gone = given.channel.send(Message::Draining { sessions }, &[]).await;
        let _silent = tokio::time::timeout(LAST_WORD, given.channel.receive()).await;
        if let Some(answer) = given.answer.take() {
            let pid = given.child.unwrap_or(0);
            reply(answer, Answer::Upgraded { pid, draining: self.draining() }.into());
        }
    }

    /// Ends what was launched, unless it ends by itself in time; how it did, if so.
    async fn end(&self, child: Option<u32>, within: Duration) -> Option<ExitStatus> {
        child?;
        let binder = self.service.binder.clone();
        // The kernel may take its time, and clients of the admin socket are not to wait for it.
        let ended = tokio::task::spawn_blocking(move || binder.end(within)).await;
        match ended.map_err(std::io::Error::other).map_err(BinderError::from).flatten() {
            Ok(status) => status,
            Err(error) => {
                warn!(%error, "the new process may still be there");
                None
            }
        }
    }

    /// Tells the process before that this one is ready, and takes what was its. Returns the way to
    /// that process, if it is still there.
    ///
    /// # Errors
    /// When it goes on, and this one has to end.
    pub(super) async fn succeed(
        &mut self,
        mut legacy: Legacy,
    ) -> Result<Option<Arc<Socket>>, TakeError> {
        let (pid, generation) = (legacy.pid, legacy.generation);
        let older = std::mem::take(&mut legacy.predecessors);
        let relieved = legacy.ready().await?;
        for (pid, generation, sessions, socket) in older {
            match Channel::over(socket) {
                Ok(channel) => self.predecessors.add((pid, generation), sessions, channel),
                Err(error) => warn!(pid, %error, "lost sight of a process of before"),
            }
        }
        let Relieved::Draining(channel, sessions) = relieved else { return Ok(None) };
        info!(pid, generation, sessions, "taken over from the process before");
        let socket = channel.shared();
        self.predecessors.add((pid, generation), sessions, channel);
        Ok(Some(socket))
    }
}

/// Tells the process before that this one can be asked at the admin socket.
pub(super) fn tell_serving(predecessor: &Socket) {
    mention(predecessor, Message::Serving);
}

impl Giving {
    /// Resolves when the new process serves, or when it comes to nothing.
    pub(super) async fn over(&mut self) -> Result<Channel, GiveError> {
        let joined = (&mut self.task).await;
        joined.unwrap_or_else(|error| Err(Broken::Io(std::io::Error::other(error)).into()))
    }
}

/// Resolves when the process that has taken over finds that too many drain. Without one, never.
pub(super) async fn told_to_end(given: &mut Option<Given>) {
    if let Some(given) = given {
        while let Ok(arrived) = given.channel.receive().await {
            if arrived.message == Message::Stop {
                return;
            }
        }
    }
    // It has ended, which is no reason to.
    std::future::pending().await
}

/// Tells the process that has taken over how many sessions are left here.
pub(super) fn tell_sessions(given: Option<&Given>, sessions: usize) {
    if let Some(given) = given {
        mention(&given.channel.shared(), Message::Sessions { sessions });
    }
}

/// This process, as a second copy is told of it.
pub(super) fn this_process() -> Holder {
    Holder { pid: std::process::id(), since: report::now() }
}

fn words(status: ExitStatus) -> String {
    match status.code() {
        Some(1) => "its file is refused (exit code 1)".to_owned(),
        _ => status.to_string(),
    }
}

/// Whoever asked may be gone.
fn reply(answer: oneshot::Sender<Reply>, reply: Reply) {
    drop(answer.send(reply));
}
