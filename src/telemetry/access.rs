//! The access log: one line per session, written by a thread of its own so that no worker waits for
//! a disk.

mod line;

pub use line::timestamp;

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write},
    net::SocketAddr,
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, mpsc as threads},
    thread,
    time::{Duration, SystemTime},
};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use serde::{Serialize, Serializer};
use tokio::sync::mpsc;

use crate::{
    policy::{self, ListenerId},
    telemetry::Generation,
};

/// Records that may wait for the writer: a fifth of a second at fifty thousand sessions a second,
/// and under two MiB.
const WAITING: usize = 10_000;

/// How long the writer lets records gather before it writes them at once. It spares a wake-up and a
/// `write` per session, and nobody who follows a log notices.
const GATHER: Duration = Duration::from_millis(20);

/// Bytes written at once; a longer batch is several writes.
const BATCH: usize = 64 * 1024;

/// How long a stopping process waits for the last records: a stalled reader of a pipe must not hold
/// it for ever.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// One end of a connection, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// An address and a port.
    Ip(SocketAddr),
    /// A path socket.
    Path(Arc<Path>),
    /// The other side of a path socket, which has no name.
    Unnamed,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Path(path) => write!(f, "unix:{}", path.display()),
            Self::Unnamed => f.write_str("unix:"),
        }
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What the log says of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When it ended.
    pub time: SystemTime,
    /// Whose it was.
    pub listener: ListenerId,
    /// The client.
    pub client: Endpoint,
    /// The socket it came to.
    pub local: Endpoint,
    /// The backend it was joined to, or the last one tried.
    pub backend: Option<Endpoint>,
    /// Bytes passed on to the backend.
    pub bytes_to_backend: u64,
    /// Bytes passed on to the client.
    pub bytes_to_client: u64,
    /// From accept to end.
    pub duration: Duration,
    /// How it ended, in one word.
    pub outcome: &'static str,
    /// The configuration it ran under.
    pub generation: Generation,
}

/// The way to the writer. Workers keep a clone each.
#[derive(Debug, Clone)]
pub struct Log(mpsc::Sender<Entry>);

/// The writer was behind, so the record is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the access log is behind")]
pub struct Dropped;

impl Log {
    /// Hands over a record, without waiting.
    ///
    /// # Errors
    /// If too many wait already; the caller counts it.
    pub fn write(&self, record: Record) -> Result<(), Dropped> {
        self.0.try_send(Entry::Record(record)).map_err(|_| Dropped)
    }
}

/// Owns the writing thread; dropping it waits, for a bounded time, until what was handed over is
/// written.
#[derive(Debug)]
pub struct Writer {
    log: Option<Log>,
    /// Never sent to; it closes when the thread ends.
    ended: threads::Receiver<()>,
}

#[derive(Debug)]
enum Entry {
    Record(Record),
    Reopen,
}

impl Writer {
    /// Opens the log and starts its thread.
    ///
    /// # Errors
    /// If the file cannot be opened for appending, or there is no thread to be had.
    pub fn start(settings: &policy::AccessLog) -> io::Result<Self> {
        let mut scribe = Scribe {
            file: open(settings.path.as_deref())?,
            path: settings.path.clone(),
            json: settings.json,
            batch: Vec::new(),
            failing: false,
        };
        let (sender, receiver) = mpsc::channel(WAITING);
        let (alive, ended) = threads::sync_channel(0);
        thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            scribe.run(receiver);
            drop::<threads::SyncSender<()>>(alive);
        })?;
        Ok(Self { log: Some(Log(sender)), ended })
    }

    /// A way to this writer.
    #[must_use]
    pub fn log(&self) -> Log {
        self.log.clone().expect("it is taken only when the writer is dropped")
    }

    /// Opens the path anew, after the file has been renamed (logrotate). Before the next record is
    /// written the new file is in place; if it cannot be opened the old one stays, and the log says
    /// so.
    pub fn reopen(&self) {
        // A full channel means that the thread is stuck in a write; there is nobody to ask, and
        // asking again is free.
        if self.log().0.try_send(Entry::Reopen).is_err() {
            tracing::warn!("access log is behind and was not reopened");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.log = None;
        if self.ended.recv_timeout(LAST_WORDS) == Err(threads::RecvTimeoutError::Timeout) {
            tracing::warn!("access log did not take its last records in time");
        }
    }
}

/// What the thread works with.
struct Scribe {
    file: File,
    path: Option<PathBuf>,
    json: bool,
    batch: Vec<u8>,
    /// Whether the last write failed, perhaps in the middle of a line.
    failing: bool,
}

impl Scribe {
    fn run(&mut self, mut entries: mpsc::Receiver<Entry>) {
        while let Some(first) = entries.blocking_recv() {
            if !entries.is_closed() {
                thread::park_timeout(GATHER);
            }
            self.take(first);
            while let Ok(entry) = entries.try_recv() {
                self.take(entry);
            }
            self.flush();
        }
    }

    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Record(record) => {
                line::append(&mut self.batch, &record, self.json);
                if self.batch.len() >= BATCH {
                    self.flush();
                }
            }
            Entry::Reopen => {
                self.flush();
                match open(self.path.as_deref()) {
                    Ok(file) => self.file = file,
                    Err(error) => tracing::error!(%error, "access log cannot be reopened"),
                }
            }
        }
    }

    /// Writes the batch. A failure costs the batch and is said once until a write succeeds; the
    /// line that was cut is ended before the next one begins.
    fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let begun = if self.failing { self.file.write_all(b"\n") } else { Ok(()) };
        match begun.and_then(|()| self.file.write_all(&self.batch)) {
            Ok(()) => self.failing = false,
            Err(error) => {
                if !self.failing {
                    tracing::error!(%error, "access log cannot be written");
                }
                self.failing = true;
            }
        }
        self.batch.clear();
    }
}

/// Opens for appending; a new file may be read by the group, which is how collectors of logs get at
/// it.
///
/// A pipe that nobody reads is an error at once: to wait for a reader could take for ever.
///
/// Standard output is a descriptor of our own: through `io::stdout` a stalled reader would make
/// everybody wait who prints, and not just this thread.
fn open(path: Option<&Path>) -> io::Result<File> {
    match path {
        Some(path) => {
            let mut options = OpenOptions::new();
            options.append(true).create(true).mode(0o640).custom_flags(OFlag::O_NONBLOCK.bits());
            let file = options.open(path)?;
            // Whoever reads a pipe slowly is waited for, by the thread that writes the log.
            let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
            fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
            Ok(file)
        }
        None => Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?)),
    }
}

#[cfg(test)]
mod tests;
