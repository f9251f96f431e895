//! Reads the file whole, and tells whether its content is new.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    time::{Duration, Instant},
};

use nix::fcntl::OFlag;
use sha2::{Digest, Sha256};

use crate::source::MAX_BYTES;

/// Identifies a content.
pub(super) type Hash = [u8; 32];

/// A file that is absent or empty for longer than this is worth a word: editors and deployments are
/// done sooner.
const MISSING_AFTER: Duration = Duration::from_secs(5);

/// What a look at the file found.
#[derive(Debug)]
pub(super) enum Seen {
    /// The same file, unchanged since the look before: nothing was read.
    Same,
    /// A content that did not change while it was read.
    Content(Content),
    /// Somebody is writing it at this moment.
    Unstable,
    /// There is no file, or nothing in it, or it may not be read.
    Missing(String),
}

/// A file's content.
#[derive(Debug, Clone)]
pub(super) struct Content {
    /// All of it, at most one byte more than a source may have.
    pub(super) bytes: Vec<u8>,
    /// Its identity.
    pub(super) hash: Hash,
    /// Whether the file has no name any more: a bind mount of a single file whose source was
    /// replaced.
    pub(super) unlinked: bool,
}

/// Reads of a file that changes under them, before the start gives up.
const ATTEMPTS: usize = 10;

/// What identifies a file's state without reading it: device, inode, size, change time.
pub(super) type Stamp = (u64, u64, u64, i64, i64);

/// Reads the file at the start, when there is nothing to compare it with.
///
/// # Errors
/// When it cannot be read, or is empty.
pub(super) fn once(path: &Path) -> io::Result<Content> {
    let mut reader = Reader::default();
    for _ in 0..ATTEMPTS {
        match reader.read(path, true)? {
            Seen::Content(content) => return Ok(content),
            Seen::Missing(reason) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
            Seen::Same | Seen::Unstable => {}
        }
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "the file is being written"))
}

/// Looks at one path again and again.
#[derive(Debug, Default)]
pub(super) struct Reader {
    stamp: Option<Stamp>,
}

impl Reader {
    /// Looks at the file. Without `force`, one whose metadata is as before is not read again.
    pub(super) fn look(&mut self, path: &Path, force: bool) -> Seen {
        match self.read(path, force) {
            Ok(seen) => seen,
            Err(error) => {
                self.stamp = None;
                Seen::Missing(error.to_string())
            }
        }
    }

    fn read(&mut self, path: &Path, force: bool) -> io::Result<Seen> {
        let mut file = open(path)?;
        let before = stamp(&file.metadata()?);
        if !force && self.stamp == Some(before) {
            return Ok(Seen::Same);
        }
        let mut bytes = Vec::new();
        file.by_ref().take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        let after = stamp(&file.metadata()?);
        if before != after {
            self.stamp = None;
            return Ok(Seen::Unstable);
        }
        self.stamp = Some(after);
        if bytes.is_empty() {
            return Ok(Seen::Missing("the file is empty".to_owned()));
        }
        let hash = Sha256::digest(&bytes).into();
        let unlinked = file.metadata()?.nlink() == 0;
        Ok(Seen::Content(Content { bytes, hash, unlinked }))
    }
}

/// Opens a regular file. The file is read again and again, and opening a FIFO would wait for a
/// writer, deaf to signals.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK.bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    match file.metadata()?.file_type() {
        kind if kind.is_file() => Ok(file),
        kind if kind.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    }
}

/// The state that this metadata is of.
pub(super) fn stamp(meta: &Metadata) -> Stamp {
    (meta.dev(), meta.ino(), meta.size(), meta.ctime(), meta.ctime_nsec())
}

/// What is known of the contents seen so far: decides which of them are worth compiling.
#[derive(Debug, Default)]
pub(super) struct Contents {
    running: Option<Hash>,
    refused: Option<Hash>,
    /// A content that was refused once and may have been half written.
    doubted: Option<Hash>,
    missing_since: Option<Instant>,
    missing_said: bool,
}

/// What to do about a refused content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It may be half written: look again in a moment before saying anything.
    LookAgain,
    /// It is what the writer meant: say what is wrong with it.
    Say,
}

impl Contents {
    /// Whether a content is worth a judgement: neither what runs nor what was refused already. What
    /// runs is worth one to whoever asks, because the host may have changed, and after a refusal,
    /// because the last word must not be that.
    pub(super) fn is_new(&mut self, hash: Hash, force: bool) -> bool {
        self.missing_since = None;
        self.missing_said = false;
        if self.running == Some(hash) {
            return self.refused.take().is_some() || force;
        }
        force || self.refused != Some(hash)
    }

    /// The content runs now.
    pub(super) fn accepted(&mut self, hash: Hash) {
        *self = Self { running: Some(hash), ..Self::default() };
    }

    /// The content was refused; the first time that may be because it was half written.
    pub(super) fn refused(&mut self, hash: Hash, force: bool) -> Refusal {
        if !force && self.doubted != Some(hash) {
            self.doubted = Some(hash);
            return Refusal::LookAgain;
        }
        self.doubted = None;
        self.refused = Some(hash);
        Refusal::Say
    }

    /// The file was missing at `now`; true once it has been for a while and nothing was said yet.
    pub(super) fn missing(&mut self, now: Instant) -> bool {
        let since = *self.missing_since.get_or_insert(now);
        let say = !self.missing_said && now.duration_since(since) >= MISSING_AFTER;
        self.missing_said |= say;
        say
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do to count from")]
mod tests {
    use super::*;

    const A: Hash = [1; 32];
    const B: Hash = [2; 32];

    #[test]
    fn a_refused_content_is_doubted_once_and_then_remembered() {
        let mut contents = Contents::default();
        contents.accepted(A);
        assert!(!contents.is_new(A, false), "it runs");
        assert!(contents.is_new(A, true), "whoever asks gets an answer");
        assert!(contents.is_new(B, false));
        assert_eq!(contents.refused(B, false), Refusal::LookAgain);
        assert!(contents.is_new(B, false));
        assert_eq!(contents.refused(B, false), Refusal::Say);
        assert!(!contents.is_new(B, false));
        assert!(contents.is_new(B, true), "whoever asks gets an answer");
        assert_eq!(contents.refused(B, true), Refusal::Say);
        assert!(contents.is_new(A, false), "going back takes the refusal back");
        assert!(!contents.is_new(A, false), "once");
        assert!(contents.is_new(B, false), "and the refused one is new again");
    }

    #[test]
    fn a_missing_file_is_worth_one_word_after_a_while() {
        let mut contents = Contents::default();
        let start = Instant::now();
        assert!(!contents.missing(start));
        assert!(!contents.missing(start + Duration::from_secs(4)));
        assert!(contents.missing(start + Duration::from_secs(5)));
        assert!(!contents.missing(start + Duration::from_secs(60)));
        assert!(contents.is_new(A, false));
        assert!(!contents.missing(start + Duration::from_secs(61)));
    }

    #[test]
    fn a_fifo_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.yaml");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert_eq!(once(&path).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(matches!(Reader::default().look(&path, false), Seen::Missing(_)));
    }

    #[test]
    fn reads_again_only_what_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.yaml");
        let mut reader = Reader::default();
        assert!(matches!(reader.look(&path, false), Seen::Missing(_)));
        std::fs::write(&path, "").unwrap();
        assert!(matches!(reader.look(&path, false), Seen::Missing(_)));
        std::fs::write(&path, "a").unwrap();
        assert!(matches!(reader.look(&path, false), Seen::Content(_)));
        assert!(matches!(reader.look(&path, false), Seen::Same));
        assert!(matches!(reader.look(&path, true), Seen::Content(_)));
        let other = dir.path().join("y.yaml");
        std::fs::write(&other, "b").unwrap();
        std::fs::rename(&other, &path).unwrap();
        let Seen::Content(content) = reader.look(&path, false) else { panic!("not read") };
        assert_eq!(content.bytes, b"b");
        assert!(!content.unlinked);
    }
}
