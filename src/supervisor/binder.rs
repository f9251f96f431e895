//! Two processes: one binds, with the privileges of the start, and one serves, with none.
//!
//! ```text
//!        binder (root, or whoever started it)          serving process (runtime.user, confined)
//!   OPEN ◀──────────────────────────────────────────── what the file asks for, by its key
//!    │ reads file and guardrails, judges by itself
//!    │ binds
//!   OPENED or why not ────────────────────────────────▶
//!   LISTEN ◀─────────────────────────────────────────── all of it could be had
//!   the sockets ──────────────────────────────────────▶ serves
//! ```
//!
//! The process that serves reads whatever clients send. Should one of them take it over, it can
//! neither bind nor listen nor start a program (`sys::sandbox`), and the binder, which never reads
//! what a client sent, gives it nothing but what the file and the guardrails grant. A reload after
//! the privileges are gone binds a port below 1024 in this way, and sockets of one address have one
//! user, without which the kernel lets none join another.
//!
//! It also removes the files of path sockets, and starts the new program of an upgrade: the other
//! may do neither. Where that one could change a folder on the way to a path, the binder acts there
//! as its user, so that nobody leads root elsewhere by it.
//!
//! The binder is the same program, and ends when the other does. It holds no socket that listens:
//! one that nobody accepts from would take clients away.

mod authority;
mod launch;
pub mod message;
mod serve;

use std::{
    collections::BTreeMap,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::process::ExitStatusExt as _,
    },
    path::Path,
    process::{Child, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nix::errno::Errno;
use socket2::Socket;
use tracing::warn;

pub use self::serve::serve;

use self::message::{Answer, Listening, MAX_BATCH, MAX_MESSAGE, MAX_TICKETS, Request, Subject};
use super::Program;
use crate::{
    plan::BindKey,
    runtime::bind::{self, BindError, BoundSocket},
    sys::{process::Account, scm},
};

/// Time for an answer. The longest is about a port in use on a host of very many processes, or
/// about a file of very many listeners. The event loop stands still meanwhile, so it is well below
/// the time that the service manager waits for a sign of life.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time for what is done at once, such as to remove a file, and for an answer once one has not come
/// in time: who waits does nothing else meanwhile.
const IMPATIENCE: Duration = Duration::from_millis(500);

/// The way to the process that binds. Clones are the same way.
#[derive(Debug, Clone)]
pub(super) struct Binder(Arc<Mutex<Channel>>);

/// One request at a time, each with a number: an answer that came too late, or could not be taken
/// for want of descriptors, is not taken for that of the next.
#[derive(Debug)]
struct Channel {
    socket: Socket,
    asked: u64,
    /// Whether the file is being judged already, which nobody has waited for.
    judging: bool,
    /// Whether the last answer has not come in time.
    is_late: bool,
    process: Child,
}

/// A socket that is to be opened, and the one of the same address that it is to join.
pub(super) type Asked<'a> = (message::Wanted, Option<BorrowedFd<'a>>);

/// A socket that is bound and does not listen yet, in the other process. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Opened {
    /// `None` once it listens, or has been closed with others.
    ticket: Option<u64>,
    key: BindKey,
    binder: Binder,
}

/// Why the process that binds has not done what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum BinderError {
    /// It is not there any more, or does not answer, or this process may not have more descriptors.
    #[error(
        "the process that binds cannot be asked, and this one may not bind: {0}; start the program \
         anew, or have another take over (`run --takeover`)"
    )]
    Unheard(io::Error),
    /// It will not.
    #[error("the process that binds refuses: {}", .0.join("; "))]
    Refused(Vec<String>),
    /// Sockets that were bound cannot listen.
    #[error("sockets cannot listen: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unbound(Vec<BindError>),
    /// It says what has no place there.
    #[error("the process that binds says something else than was to come")]
    Unexpected,
}

impl Binder {
    /// Starts the process, which keeps the privileges of this one.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(
        program: &Program,
        place: Option<&Path>,
        account: Option<&Account>,
    ) -> io::Result<Self> {
        let (near, far) = scm::pair()?;
        // It writes nothing to standard output, but leaves it to a process that it launches.
        let process = program.binder(place, account).stdin(Stdio::from(far)).spawn()?;
        let near = Socket::from(near);
        near.set_nonblocking(false)?;
        near.set_write_timeout(Some(IMPATIENCE))?;
        let mut channel =
            Channel { socket: near, asked: 0, judging: true, is_late: false, process };
        // It takes as long as here, and may as well be done meanwhile.
        channel.send(&Request::Judge { what: Subject::File }, &[])?;
        Ok(Self(Arc::new(Mutex::new(channel))))
    }

    /// Has it judge what is asked for next.
    ///
    /// # Errors
    /// When nothing of it may be had.
    pub(super) fn judge(&self, what: Subject) -> Result<(), BinderError> {
        let mut channel = self.channel();
        if !(std::mem::take(&mut channel.judging) && what == Subject::File) {
            channel.send(&Request::Judge { what }, &[])?;
        }
        done(channel.receive(PATIENCE)?.0)
    }

    /// What was judged last runs from here on.
    pub(super) fn commit(&self) {
        if let Err(error) = self.have_done(&Request::Commit) {
            warn!(%error, "the next reload may be held against an older file");
        }
    }

    /// Opens sockets. Where one joins another, that one's descriptor comes with it.
    pub(super) fn open(
        &self,
        asked: &[Asked<'_>],
    ) -> Result<Vec<Result<Opened, BindError>>, BinderError> {
        let mut opened = Vec::new();
        for batch in asked.chunks(MAX_BATCH) {
            let sockets = batch.iter().map(|(wanted, _)| wanted.clone()).collect();
            let live: Vec<_> = batch.iter().filter_map(|(_, live)| *live).collect();
            let answer = self.ask(&Request::Open { sockets }, &live, PATIENCE)?.0;
            let Answer::Opened { sockets } = answer else { return Err(not_done(answer)) };
            if sockets.len() != batch.len() {
                return Err(BinderError::Unexpected);
            }
            opened.extend(sockets.into_iter().zip(batch).map(|(result, (wanted, _))| {
                let (key, binder) = (wanted.key.clone(), self.clone());
                let opened = |ticket| Opened { ticket: Some(ticket), key, binder };
                result.map(opened).map_err(|trouble| BindError::from(*trouble))
            }));
        }
        Ok(opened)
    }

    /// Has sockets listen, in this order: all or none.
    ///
    /// # Errors
    /// With every socket that cannot; all are closed then.
    pub(super) fn listen(&self, opened: Vec<Opened>) -> Result<Vec<BoundSocket>, BinderError> {
        let (mut tickets, mut keys) = (Vec::new(), BTreeMap::new());
        for mut one in opened {
            let Some(ticket) = one.ticket.take() else { continue };
            tickets.push(ticket);
            keys.insert(ticket, one.key.clone());
        }
        if tickets.is_empty() {
            return Ok(Vec::new());
        }
        let mut channel = self.channel();
        let mut batches = tickets.chunks(MAX_TICKETS).peekable();
        while let Some(batch) = batches.next() {
            let more = batches.peek().is_some();
            channel.send(&Request::Listen { tickets: batch.to_vec(), more }, &[])?;
            if more {
                done(channel.receive(PATIENCE)?.0)?;
            }
        }
        let mut listening = Vec::new();
        loop {
            let (answer, fds) = channel.receive(PATIENCE)?;
            match answer {
                Answer::Listening { sockets, more } if sockets.len() == fds.len() => {
                    for (socket, fd) in sockets.into_iter().zip(fds) {
                        let key = keys.get(&socket.ticket).ok_or(BinderError::Unexpected)?.clone();
                        let Listening { address, file, .. } = socket;
                        listening.push(BoundSocket::opened_elsewhere(fd, key, address, file));
                    }
                    if !more {
                        return Ok(listening);
                    }
                }
                Answer::Unbound { errors } => {
                    let errors = errors.into_iter().map(BindError::from).collect();
                    return Err(BinderError::Unbound(errors));
                }
                other => return Err(not_done(other)),
            }
        }
    }

    /// Removes the file of a path socket, unless another has taken its place. What is this
    /// process's own it can remove without the other.
    pub(super) fn remove_file(&self, socket: &BoundSocket) {
        let Some((path, file)) = socket.named_file() else { return };
        let removed = self.have_done(&Request::Remove { path: path.to_owned(), file });
        if let Err(error) = removed
            && bind::remove(path, file).is_err()
        {
            warn!(%error, path = %path.display(), "cannot remove the socket's file");
        }
    }

    /// The process, unless it is gone.
    pub(super) fn pid(&self) -> Option<u32> {
        let process = &mut self.channel().process;
        matches!(process.try_wait(), Ok(None)).then(|| process.id())
    }

    /// Starts the program anew, with this as its standard input, and returns its process id.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn launch(&self, input: BorrowedFd<'_>) -> Result<u32, BinderError> {
        match self.ask(&Request::Launch, &[input], PATIENCE)?.0 {
            Answer::Launched { pid } => Ok(pid),
            other => Err(not_done(other)),
        }
    }

    /// How what was launched has ended; `None` if it had to be ended.
    ///
    /// # Errors
    /// When that is not known.
    pub(super) fn end(&self, within: Duration) -> Result<Option<ExitStatus>, BinderError> {
        let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        match self.ask(&Request::End { within_ms }, &[], within + PATIENCE)?.0 {
            Answer::Ended { status } => Ok(status.map(ExitStatus::from_raw)),
            other => Err(not_done(other)),
        }
    }

    fn have_done(&self, request: &Request) -> Result<(), BinderError> {
        done(self.ask(request, &[], IMPATIENCE)?.0)
    }

    fn ask(
        &self,
        request: &Request,
        fds: &[BorrowedFd<'_>],
        patience: Duration,
    ) -> Result<(Answer, Vec<OwnedFd>), BinderError> {
        let mut channel = self.channel();
        channel.send(request, fds)?;
        Ok(channel.receive(patience)?)
    }

    fn channel(&self) -> MutexGuard<'_, Channel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<io::Error> for BinderError {
    fn from(error: io::Error) -> Self {
        Self::Unheard(error)
    }
}

impl Opened {
    /// Which socket it is.
    pub(super) fn key(&self) -> &BindKey {
        &self.key
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            // A process that is gone has closed it.
            drop(self.binder.channel().send(&Request::Abandon { ticket }, &[]));
        }
    }
}

impl Channel {
    fn send(&mut self, request: &Request, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.asked += 1;
        let bytes = message::write(&(self.asked, request))?;
        scm::uninterrupted(|| scm::send(self.socket.as_fd(), &bytes, fds)).map(drop)
    }

    fn receive(&mut self, patience: Duration) -> io::Result<(Answer, Vec<OwnedFd>)> {
        let patience = if self.is_late { IMPATIENCE } else { patience };
        self.socket.set_read_timeout(Some(patience))?;
        let mut buffer = vec![0; MAX_MESSAGE];
        loop {
            let receive = || scm::receive(self.socket.as_fd(), &mut buffer);
            let received = scm::uninterrupted(receive).map_err(plainly);
            let is_out_of_time = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
            self.is_late = received.as_ref().is_err_and(is_out_of_time);
            let received = received?;
            if received.length == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it has ended"));
            }
            let bytes = buffer.get(..received.length).unwrap_or_default();
            let (number, answer): (u64, _) = message::read(bytes)?;
            if number == self.asked {
                return Ok((answer, received.descriptors));
            }
        }
    }
}

/// What the kernel says of a message that has not come, in words that say why.
fn plainly(error: io::Error) -> io::Error {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EAGAIN) => io::Error::new(io::ErrorKind::TimedOut, "it does not answer"),
        Some(Errno::ENOBUFS) => {
            io::Error::other("this process may not have more descriptors (`ulimit -n`)")
        }
        _ => error,
    }
}

fn done(answer: Answer) -> Result<(), BinderError> {
    match answer {
        Answer::Done => Ok(()),
        other => Err(not_done(other)),
    }
}

fn not_done(answer: Answer) -> BinderError {
    match answer {
        Answer::Refused { reasons } => BinderError::Refused(reasons),
        _ => BinderError::Unexpected,
    }
}
