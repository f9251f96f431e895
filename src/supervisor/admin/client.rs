//! Asking a running process over its admin socket.

use std::{
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use nix::errno::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use super::protocol::{self, Answer, Command, Unintelligible};
use crate::sys;

/// The most bytes of an answer: a report of more sockets than a process can have.
const MAX_ANSWER: u64 = 256 * 1024 * 1024;

/// The most bytes of the answer that brings a channel.
const MAX_CHANNEL_ANSWER: usize = 4096;

/// Time for what the other process does at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a running process could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody answers there.
    #[error("no running process answers at `{}`", path.display())]
    Unreachable {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It stopped answering.
    #[error("the running process does not answer")]
    Silent(#[source] io::Error),
    /// It answers something else.
    #[error("the running process answers something else")]
    Unintelligible(#[from] Unintelligible),
    /// It does not do that.
    #[error("the running process says: {0}")]
    Refused(String),
}

/// Asks, and waits for the answer. `within` is how long the process may take, besides what it takes
/// to say so.
///
/// # Errors
/// When there is no answer. A refusal is an answer.
pub fn ask(path: &Path, command: &Command, within: Duration) -> Result<Answer, AskError> {
    let mut stream = connect(path, within + PATIENCE)?;
    let mut answer = Vec::new();
    stream
        .write_all(&protocol::write(command))
        .and_then(|()| stream.take(MAX_ANSWER).read_to_end(&mut answer))
        .map_err(AskError::Silent)?;
    Ok(protocol::read(&answer)?)
}

/// Asks to take the sockets over, and returns the channel for it.
///
/// # Errors
/// When there is none.
pub(in crate::supervisor) fn ask_for_channel(path: &Path) -> Result<OwnedFd, AskError> {
    let mut stream = connect(path, PATIENCE)?;
    stream.write_all(&protocol::write(&Command::TakeOver)).map_err(AskError::Silent)?;
    let mut line = [0; MAX_CHANNEL_ANSWER];
    let received = sys::scm::receive(stream.as_fd(), &mut line).map_err(AskError::Silent)?;
    let told = line.get(..received.length).unwrap_or_default();
    match (protocol::read(told)?, received.descriptors.into_iter().next()) {
        (Answer::Channel, Some(channel)) => Ok(channel),
        (Answer::Refused { reason }, _) => Err(AskError::Refused(reason)),
        _ => Err(AskError::Silent(Errno::EPROTO.into())),
    }
}

fn connect(path: &Path, patience: Duration) -> Result<UnixStream, AskError> {
    let connected = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // It bounds the connecting too, where the other's queue is full.
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.set_read_timeout(Some(patience))?;
        socket.connect(&SockAddr::unix(path)?)?;
        Ok(UnixStream::from(OwnedFd::from(socket)))
    };
    connected().map_err(|source| AskError::Unreachable { path: path.to_owned(), source })
}
