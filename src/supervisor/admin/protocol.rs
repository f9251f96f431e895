//! What is said over the admin socket: one line of JSON each way, and the connection is over.
//!
//! Both lines carry the version of the protocol. A word that a side does not know is refused, a
//! field that it does not know is passed over, so a newer side can tell more without being a
//! stranger.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The version that this program speaks.
pub const VERSION: u16 = 1;

/// The most bytes of a request, which has some 60.
pub const MAX_REQUEST: usize = 4096;

/// What is asked of the running process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// To say what runs.
    Status,
    /// To look at the file now, and to say what came of it.
    Reload,
    /// To take no more clients, let those that are in finish, and end.
    Drain,
    /// To start its program anew and hand it the sockets.
    Upgrade {
        /// How long the new one may take until it serves.
        within_ms: u64,
    },
    /// To hand the sockets to the one who asks. The answer brings a channel for that.
    TakeOver,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// What runs.
    Status(Box<Report>),
    /// The file is in force.
    Reloaded {
        /// As this generation.
        generation: u64,
    },
    /// The file is not in force.
    Rejected(Rejection),
    /// No more clients are taken.
    Draining(Draining),
    /// The new process serves.
    Upgraded {
        /// Which it is.
        pid: u32,
        /// What is left in the old one.
        draining: Draining,
    },
    /// The channel comes with this line.
    Channel,
    /// It was not done.
    Refused {
        /// Why.
        reason: String,
    },
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of the program.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// The user it serves as; empty where an older version does not say.
    #[serde(default)]
    pub user: String,
    /// The process that binds for it, unless that is gone.
    #[serde(default)]
    pub binder: Option<u32>,
    /// How long it has run.
    pub uptime_seconds: u64,
    /// What it does.
    pub state: State,
    /// The service's name, if it has one.
    pub service: Option<String>,
    /// The file it follows.
    pub file: PathBuf,
    /// The configuration in force.
    pub generation: u64,
    /// Sessions now.
    pub sessions: usize,
    /// What listens.
    pub listeners: Vec<Listener>,
    /// The sockets by which it does.
    pub sockets: Vec<Socket>,
    /// What waits to be bound, with the reason: an address that is not there, a bind that failed.
    pub pending: Vec<Unbound>,
    /// What was asked for and is left out on purpose.
    pub omitted: Vec<Unbound>,
    /// Why the file as it is now is not in force.
    pub rejected: Option<Rejection>,
    /// Processes of before that have handed over and let their sessions finish.
    pub draining: Vec<Predecessor>,
}

/// What the process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It takes clients.
    Serving,
    /// It serves, and is handing its sockets to another.
    HandingOver,
    /// It takes no more clients.
    Draining,
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// Its sessions now.
    pub sessions: u64,
    /// Its sessions since the process began.
    pub admitted: u64,
}

/// One socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Socket {
    /// Whose it is.
    pub listener: String,
    /// What it is there for.
    pub purpose: Purpose,
    /// What the file asks of it.
    pub asked: Properties,
    /// What the kernel says it is.
    pub found: Properties,
}

/// What a socket is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The plan lists it.
    Planned,
    /// The plan has a narrower one; this one finishes handshakes.
    Narrowed,
    /// The plan has a wider one, which cannot draw this one's connections.
    Absorbed,
}

/// What a socket is to be, or is. What does not apply to it, or cannot be read, is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Properties {
    /// Where it is bound.
    pub address: Option<String>,
    /// The interface it is tied to.
    pub device: Option<String>,
    /// IPV6_V6ONLY.
    pub v6only: Option<bool>,
    /// SO_REUSEPORT.
    pub reuse_port: Option<bool>,
    /// Length of the accept queue; the kernel clamps what is asked for.
    pub backlog: Option<u32>,
    /// Permissions of a path socket, in octal.
    pub mode: Option<String>,
}

/// A bind that is not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unbound {
    /// Whose it is.
    pub listener: String,
    /// Why.
    pub reason: String,
}

/// Why a file is not in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// When that was found, UTC.
    pub at: String,
    /// The generation that stays.
    pub generation: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong, or worth a word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `error`, `warning` or `info`.
    pub level: String,
    /// Its code, if it is about the file.
    pub code: Option<String>,
    /// What is wrong.
    pub message: String,
    /// Where, as `path:line:column`.
    pub place: Option<String>,
    /// Why, one line each.
    pub notes: Vec<String>,
    /// What to do, one line each.
    pub help: Vec<String>,
}

/// What is left of a process that takes no more clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draining {
    /// Its sessions.
    pub sessions: usize,
    /// How long they may go on.
    pub within_ms: u64,
}

/// A process that has handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predecessor {
    /// Which.
    pub pid: u32,
    /// The configuration it had.
    pub generation: u64,
    /// Its sessions, as it said last.
    pub sessions: usize,
}

/// A line as it is sent: the version beside what is said.
#[derive(Debug, Serialize, Deserialize)]
struct Line<T> {
    portcullis_admin: u16,
    #[serde(flatten)]
    said: T,
}

/// Only the version of a line.
#[derive(Debug, Deserialize)]
struct Version {
    portcullis_admin: u16,
}

/// Why a line cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unintelligible {
    /// It is no JSON of ours.
    #[error("this is not understood: {0}")]
    Nonsense(#[from] serde_json::Error),
    /// It is of another version.
    #[error("this is version {0} of the protocol, and here is {VERSION}")]
    Version(u16),
}

/// Writes a line, with its end.
#[must_use]
pub fn write<T: Serialize>(said: &T) -> Vec<u8> {
    let line = Line { portcullis_admin: VERSION, said };
    let mut bytes = serde_json::to_vec(&line).expect("text, numbers and lists are JSON");
    bytes.push(b'\n');
    bytes
}

/// Reads a line, with or without its end.
///
/// # Errors
/// When it is not one of this protocol, or of another version.
pub fn read<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, Unintelligible> {
    let Version { portcullis_admin: version } = serde_json::from_slice(bytes)?;
    if version != VERSION {
        return Err(Unintelligible::Version(version));
    }
    Ok(serde_json::from_slice::<Line<T>>(bytes)?.said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let asked = Command::Upgrade { within_ms: 60_000 };
        assert_eq!(
            String::from_utf8(write(&asked)).unwrap(),
            "{\"portcullis_admin\":1,\"command\":\"upgrade\",\"within_ms\":60000}\n"
        );
        assert_eq!(read::<Command>(&write(&asked)).unwrap(), asked);
        let draining = Draining { sessions: 3, within_ms: 30_000 };
        for answer in [
            Answer::Reloaded { generation: 7 },
            Answer::Upgraded { pid: 4, draining },
            Answer::Rejected(Rejection::default()),
            Answer::Refused { reason: "no".to_owned() },
        ] {
            assert_eq!(read::<Answer>(&write(&answer)).unwrap(), answer);
        }
    }

    #[test]
    fn a_newer_side_may_say_more_but_not_something_else() {
        let more = br#"{"portcullis_admin":1,"command":"status","colour":"red"}"#;
        assert_eq!(read::<Command>(more).unwrap(), Command::Status);
        for (line, why) in [
            (r#"{"portcullis_admin":2,"command":"status"}"#, "version 2"),
            (r#"{"portcullis_admin":1,"command":"dance"}"#, "not understood"),
            (r#"{"command":"status"}"#, "not understood"),
            ("status", "not understood"),
            ("", "not understood"),
        ] {
            let refused = read::<Command>(line.as_bytes()).unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
