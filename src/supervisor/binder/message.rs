//! What the process that serves asks of the one that binds, and what it is told: reading and
//! writing, without a socket.
//!
//! Both are the same program, so nothing is said of versions. Each message is one JSON object on a
//! channel that keeps messages apart. A request names sockets by what the file says of them, and
//! never says what they are to be: that the one that binds reads in the file by itself.

use std::{io, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    plan::{BindAddress, BindKey},
    policy::ListenerId,
    runtime::bind::{BindError, Cause, FileId, Step},
};

/// The most bytes of a message: a batch of errors, each at its longest, has three quarters of it.
pub const MAX_MESSAGE: usize = 128 * 1024;

/// The most sockets that one request opens, and the most descriptors in an answer.
pub const MAX_BATCH: usize = 32;

/// The most tickets in one request: with the longest of numbers they have a third of a message.
pub const MAX_TICKETS: usize = 2048;

/// The most bytes of an error's explanation, and of its cures, that are passed on: half a dozen
/// lines with long names.
const MAX_WORDS: usize = 1024;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// To judge what the sockets asked for from here on are to be held against.
    Judge {
        /// What that is.
        what: Subject,
    },
    /// To make sockets that do not listen yet; a descriptor comes along for each that is to join
    /// one, in the same order.
    Open {
        /// At most [`MAX_BATCH`].
        sockets: Vec<Wanted>,
    },
    /// To have them listen, in this order, and hand them over: all or none.
    Listen {
        /// By their tickets, at most [`MAX_TICKETS`].
        tickets: Vec<u64>,
        /// Whether others follow; nothing listens before the last are named.
        more: bool,
    },
    /// To close one. It has no answer: the next request comes after it all the same.
    Abandon {
        /// By its ticket.
        ticket: u64,
    },
    /// To note that what was judged last runs from here on.
    Commit,
    /// To remove the file of a path socket, unless another has taken its place.
    Remove {
        /// Where.
        path: PathBuf,
        /// Which.
        file: FileId,
    },
    /// To start the program anew, with the descriptor that comes along as its standard input.
    Launch,
    /// To tell how the process that was launched last has ended, and to end it otherwise.
    End {
        /// How long it may take to end by itself.
        within_ms: u64,
    },
}

/// What sockets are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The file as it is now, under the guardrails as they are now.
    File,
    /// What runs, on the host as it is now.
    Running,
}

/// One socket, or a group that shares an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Which of the file's.
    pub key: BindKey,
    /// What is there already.
    pub beside: Beside,
}

/// What a socket is made beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beside {
    /// Nothing of this service.
    Nothing,
    /// One of this service that it overlaps or replaces.
    Own,
    /// The one whose descriptor comes along, whose group is to grow by this many.
    Joining(u16),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// It is done.
    Done,
    /// It is not done, and why: one reason a line.
    Refused {
        /// The reasons.
        reasons: Vec<String>,
    },
    /// What became of each socket that was to be opened.
    Opened {
        /// In the order of the request.
        sockets: Vec<Result<u64, Box<Trouble>>>,
    },
    /// These listen; a descriptor comes along for each.
    Listening {
        /// At most [`MAX_BATCH`].
        sockets: Vec<Listening>,
        /// Whether another such answer follows.
        more: bool,
    },
    /// Sockets could not listen, so none does.
    Unbound {
        /// Why.
        errors: Vec<Trouble>,
    },
    /// A process was started.
    Launched {
        /// Which.
        pid: u32,
    },
    /// It has ended by itself, or not.
    Ended {
        /// How, as `wait` has it.
        status: Option<i32>,
    },
}

impl Answer {
    /// It is not done, for one reason.
    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Self::Refused { reasons: vec![reason.into()] }
    }
}

/// A socket that listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// The ticket by which it was asked for.
    pub ticket: u64,
    /// Where it really is.
    pub address: BindAddress,
    /// Its file, if it has one.
    pub file: Option<FileId>,
}

/// A [`BindError`] on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    listener: ListenerId,
    key: BindKey,
    step: Step,
    /// What the kernel said, or words where it was not the kernel.
    error: Result<i32, String>,
    why: Vec<String>,
    help: Vec<String>,
}

impl Trouble {
    /// A socket that the file does not have.
    #[must_use]
    pub fn not_granted(key: BindKey, reason: &str) -> Self {
        Self {
            // No listener can have this name.
            listener: ListenerId::new("?"),
            key,
            step: Step::Grant,
            error: Err(reason.to_owned()),
            why: Vec::new(),
            help: Vec::new(),
        }
    }
}

impl From<BindError> for Trouble {
    fn from(error: BindError) -> Self {
        let (why, help) = (bounded(error.why()), bounded(error.help()));
        let code = error.source.raw_os_error().ok_or_else(|| error.source.to_string());
        Self { listener: error.listener, key: *error.key, step: error.step, error: code, why, help }
    }
}

impl From<Trouble> for BindError {
    fn from(trouble: Trouble) -> Self {
        Self {
            listener: trouble.listener,
            key: Box::new(trouble.key),
            step: trouble.step,
            source: match trouble.error {
                Ok(code) => io::Error::from_raw_os_error(code),
                Err(words) => io::Error::other(words),
            },
            cause: Box::new(Cause::Told { why: trouble.why, help: trouble.help }),
        }
    }
}

/// The first lines that fit.
fn bounded(lines: Vec<String>) -> Vec<String> {
    let mut room = MAX_WORDS;
    let fits = |line: &String| {
        room = room.saturating_sub(line.len());
        room > 0
    };
    lines.into_iter().take_while(fits).collect()
}

/// Reads a message.
///
/// # Errors
/// When the bytes are none.
pub fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    Ok(serde_json::from_slice(bytes)?)
}

/// Writes a message.
///
/// # Errors
/// When it is longer than [`MAX_MESSAGE`].
pub fn write(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let bytes = serde_json::to_vec(message)?;
    if bytes.len() > MAX_MESSAGE {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message is too long"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(address: BindAddress) -> BindKey {
        BindKey { address, device: Some("eth0".to_owned()), unnumbered: None }
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        for address in ["10.20.3.4:443", "[fe80::1%3]:7000", "[::]:0"] {
            let address = BindAddress::Tcp(address.parse().unwrap());
            let wanted = Wanted { key: key(address), beside: Beside::Joining(3) };
            let request = Request::Open { sockets: vec![wanted] };
            assert_eq!(read::<Request>(&write(&request).unwrap()).unwrap(), request);
        }
    }

    #[test]
    fn the_fullest_batches_fit() {
        let key = key(BindAddress::Unix(format!("/{}", "\u{7f}".repeat(106)).into()));
        let wanted = Wanted { key: key.clone(), beside: Beside::Nothing };
        write(&Request::Open { sockets: vec![wanted; MAX_BATCH] }).unwrap();
        let fullest = || bounded(vec!["x".repeat(MAX_WORDS - 1), "y".to_owned()]);
        let trouble =
            Trouble { why: fullest(), help: fullest(), ..Trouble::not_granted(key, "no") };
        assert_eq!(trouble.why.len(), 1);
        write(&Answer::Unbound { errors: vec![trouble.clone(); MAX_BATCH] }).unwrap();
        write(&Answer::Opened { sockets: vec![Err(Box::new(trouble)); MAX_BATCH] }).unwrap();
        write(&Request::Listen { tickets: vec![u64::MAX; MAX_TICKETS], more: true }).unwrap();
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes: Vec<u8>) {
            drop(read::<Request>(&bytes));
        }
    }
}
