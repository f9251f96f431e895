//! The frames of a hand-over: reading and writing, without a socket.
//!
//! A frame is one message of a channel that keeps messages apart:
//!
//! ```text
//! bytes   0..4    4..6      6..10      10..14   14..
//!         "PCUP"  version   sequence   length   body: one JSON object of so many bytes
//! ```
//!
//! Numbers are big-endian. The body names its type; a field that is not known is passed over, and a
//! type that is not known is answered with `unsupported`, so two versions of the program that are
//! far apart still find out what they have in common.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The version of frames and messages that this program speaks.
pub const VERSION: u16 = 1;

/// The most bytes of a frame: a batch of as many paths as fit has a third of it.
pub const MAX_FRAME: usize = 64 * 1024;

/// The most descriptors in a batch; the kernel would let through 253.
pub const MAX_BATCH: usize = 64;

const MAGIC: &[u8; 4] = b"PCUP";

/// Bytes before the body.
const HEADER: usize = 14;

/// One message of the hand-over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Counted by each side for itself.
    pub sequence: u32,
    /// What is said.
    pub message: Message,
}

/// What is said; `new` and `old` are the processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// New: its file is good and its sockets are planned.
    Hello {
        /// The versions that it speaks.
        versions: Vec<u16>,
        /// The version of the program.
        build: String,
        /// Its process id.
        pid: u32,
    },
    /// Old: it may have the sockets.
    Welcome {
        /// The version that is spoken from here on.
        version: u16,
        /// The version of the program.
        build: String,
        /// Its process id.
        pid: u32,
        /// The configuration it runs.
        generation: u64,
        /// How many descriptors it has for the other.
        descriptors: u32,
    },
    /// New: it wants them.
    Get,
    /// Old: some of them.
    Batch {
        /// What each descriptor is.
        items: Vec<Item>,
    },
    /// New: it has them.
    Ack {
        /// The frame that brought them.
        sequence: u32,
        /// How many came.
        received: u32,
    },
    /// New: everything listens, and it is about to serve.
    Ready,
    /// Old: it takes no more clients.
    Draining {
        /// How many it still has.
        sessions: usize,
    },
    /// New: it can be asked, too.
    Serving,
    /// Old: how many sessions it has now.
    Sessions {
        /// How many.
        sessions: usize,
    },
    /// New: there are too many that drain; this one is to end now.
    Stop,
    /// Old: it keeps the sockets, and goes on serving.
    Abort {
        /// Why.
        reason: String,
    },
    /// Either: that type of message is not known here.
    Unsupported,
    /// A type that this version does not know. It is never sent.
    #[serde(other)]
    Unknown,
}

/// What a descriptor is. Of a socket of IP nothing else is said: the kernel knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Item {
    /// The open file of the instance lock.
    Lock,
    /// A listening socket of IP.
    Socket {
        /// The listener that it serves.
        listener: String,
    },
    /// A listening path socket.
    Path {
        /// The listener that it serves.
        listener: String,
        /// Where clients find it, which the kernel does not know.
        path: PathBuf,
        /// The file system of its file.
        device: u64,
        /// The number of its file.
        inode: u64,
    },
    /// The channel to a process that handed over earlier and still drains.
    Predecessor {
        /// Its process id.
        pid: u32,
        /// The configuration it had.
        generation: u64,
        /// Its sessions, as it said last.
        sessions: usize,
    },
    /// Something that this version does not know. It is never sent.
    #[serde(other)]
    Unknown,
}

/// Why bytes are no frame, or a message none either.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// It does not begin like one.
    #[error("it is no frame of a hand-over")]
    Foreign,
    /// It is of another version.
    #[error("it is of version {0}, and here is {VERSION}")]
    Version(u16),
    /// Its length is not what it says.
    #[error("it has another length than it says")]
    Length,
    /// Its body cannot be read.
    #[error("its body cannot be read: {0}")]
    Body(#[from] serde_json::Error),
}

impl Frame {
    /// The bytes to send.
    ///
    /// # Errors
    /// When they are more than [`MAX_FRAME`].
    pub fn write(&self) -> Result<Vec<u8>, Malformed> {
        let body = serde_json::to_vec(&self.message)?;
        let length = u32::try_from(body.len()).map_err(|_| Malformed::Length)?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend(body);
        if bytes.len() > MAX_FRAME { Err(Malformed::Length) } else { Ok(bytes) }
    }

    /// Reads what was received.
    ///
    /// # Errors
    /// When it is no frame, or not a whole one.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let (magic, rest) = bytes.split_first_chunk::<4>().ok_or(Malformed::Foreign)?;
        if magic != MAGIC {
            return Err(Malformed::Foreign);
        }
        let (version, rest) = rest.split_first_chunk().ok_or(Malformed::Length)?;
        let version = u16::from_be_bytes(*version);
        if version != VERSION {
            return Err(Malformed::Version(version));
        }
        let (sequence, rest) = rest.split_first_chunk().ok_or(Malformed::Length)?;
        let (length, body) = rest.split_first_chunk().ok_or(Malformed::Length)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Malformed::Length)?;
        if body.len() != length || bytes.len() > MAX_FRAME {
            return Err(Malformed::Length);
        }
        let sequence = u32::from_be_bytes(*sequence);
        Ok(Self { sequence, message: serde_json::from_slice(body)? })
    }
}

const _: () = assert!(HEADER == MAGIC.len() + 2 + 4 + 4);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(message: Message) -> Frame {
        Frame { sequence: 7, message }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let path = Item::Path {
            listener: "web".to_owned(),
            path: "/run/x.sock".into(),
            device: 1,
            inode: 2,
        };
        let items = vec![Item::Lock, Item::Socket { listener: "web".to_owned() }, path];
        for message in [
            Message::Hello { versions: vec![1, 2], build: "0.1.0".to_owned(), pid: 9 },
            Message::Batch { items },
            Message::Ack { sequence: 3, received: 2 },
            Message::Ready,
        ] {
            let frame = frame(message);
            assert_eq!(Frame::read(&frame.write().unwrap()).unwrap(), frame);
        }
    }

    #[test]
    fn a_frame_is_as_long_as_it_says_and_no_longer_than_the_bound() {
        let bytes = frame(Message::Ready).write().unwrap();
        for length in 0..bytes.len() {
            Frame::read(&bytes[..length]).unwrap_err();
        }
        let more = [bytes.as_slice(), b" "].concat();
        assert!(matches!(Frame::read(&more), Err(Malformed::Length)));
        let reason = "x".repeat(MAX_FRAME);
        assert!(matches!(frame(Message::Abort { reason }).write(), Err(Malformed::Length)));
    }

    #[test]
    fn the_fullest_batch_of_the_longest_paths_fits() {
        let item = Item::Path {
            listener: "l".repeat(63),
            path: format!("/{}", "\u{7f}".repeat(106)).into(),
            device: u64::MAX,
            inode: u64::MAX,
        };
        frame(Message::Batch { items: vec![item; MAX_BATCH] }).write().unwrap();
    }

    #[test]
    fn what_another_version_adds_is_passed_over_or_known_to_be_unknown() {
        let with_body = |body: &str| {
            let length = u32::try_from(body.len()).unwrap().to_be_bytes();
            let parts = [MAGIC.as_slice(), &[0, 1], &[0, 0, 0, 7], &length, body.as_bytes()];
            Frame::read(&parts.concat())
        };
        assert_eq!(with_body(r#"{"type":"ready","colour":"red"}"#).unwrap(), frame(Message::Ready));
        let unknown = with_body(r#"{"type":"dance","with":["me"]}"#).unwrap();
        assert_eq!(unknown.message, Message::Unknown);
        let items = with_body(r#"{"type":"batch","items":[{"kind":"map","of":1}]}"#).unwrap();
        assert_eq!(items.message, Message::Batch { items: vec![Item::Unknown] });
        let mut newer = frame(Message::Ready).write().unwrap();
        newer[5] = 2;
        assert!(matches!(Frame::read(&newer), Err(Malformed::Version(2))));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes: Vec<u8>) {
            drop(Frame::read(&bytes));
            drop(Frame::read(&[MAGIC.as_slice(), &[0, 1], &bytes].concat()));
        }
    }
}
