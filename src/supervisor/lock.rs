//! The instance lock: of one service file there is one running copy, and a second one learns which.
//!
//! The kernel alone would not do: after a reload that overlapped two sockets it lets any process of
//! the same user join a port (`runtime::bind`), and a second copy would share the clients. The lock
//! belongs to the open file, not to the process, so an upgrade hands it over with the sockets.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

/// Nobody else may open it: a lock needs no more than that.
const MODE: u32 = 0o600;

/// Bytes that are read of a holder's note, which has some 60.
const MAX_NOTE: u64 = 1024;

/// Times that the file may vanish between opening and locking. Each time a copy has just ended.
const ATTEMPTS: usize = 16;

/// Having one tells you that no other copy runs the same file, as long as every copy keeps its lock
/// in the same folder.
#[derive(Debug)]
pub(super) struct InstanceLock {
    file: Arc<File>,
    path: PathBuf,
}

/// Who holds a lock, by its own word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id, as it sees itself.
    pub pid: u32,
    /// Since when, UTC.
    pub since: String,
}

/// Why there is no lock.
#[derive(Debug)]
pub(super) enum NoLock {
    /// Another copy has it, and says who it is unless it has just begun.
    Held(Option<Holder>),
    /// The file cannot be used.
    Unusable(io::Error),
}

impl InstanceLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// When another copy has it; nothing has changed then.
    pub(super) fn take(path: &Path, holder: &Holder) -> Result<Self, NoLock> {
        for _ in 0..ATTEMPTS {
            let file = open(path).map_err(NoLock::Unusable)?;
            match file.try_lock() {
                Ok(()) if is_at(&file, path) => {
                    let lock = Self { file: Arc::new(file), path: path.to_owned() };
                    lock.note(holder).map_err(NoLock::Unusable)?;
                    return Ok(lock);
                }
                // Whoever had it before has removed it meanwhile: the next has another file.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut note = String::new();
                    // What cannot be read is somebody who has not written yet.
                    let read = (&file).take(MAX_NOTE).read_to_string(&mut note);
                    let holder = read.ok().and_then(|_| serde_json::from_str(&note).ok());
                    return Err(NoLock::Held(holder));
                }
                Err(TryLockError::Error(error)) => return Err(NoLock::Unusable(error)),
            }
        }
        Err(NoLock::Unusable(io::ErrorKind::ResourceBusy.into()))
    }

    /// Takes over the lock of the process before, unless it is that of another file.
    pub(super) fn inherit(file: File, path: &Path) -> Option<Self> {
        is_at(&file, path).then(|| Self { file: Arc::new(file), path: path.to_owned() })
    }

    /// Says who holds it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn note(&self, holder: &Holder) -> io::Result<()> {
        let note = serde_json::to_vec(holder).map_err(io::Error::other)?;
        let mut file = self.file.as_ref();
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&note)
    }

    /// The open file, to which the lock belongs.
    pub(super) fn shared(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Gives it up for good.
    pub(super) fn release(self) {
        // One that somebody has removed by hand may be another's by now. A file that stays is no
        // harm: it is not locked.
        if is_at(&self.file, &self.path) {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// Opens the file, without following a link that somebody else has put there.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(MODE);
    options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(path)
}

fn is_at(file: &File, path: &Path) -> bool {
    let id = |found: std::fs::Metadata| (found.dev(), found.ino());
    let (open, there) = (file.metadata().map(id), std::fs::symlink_metadata(path).map(id));
    matches!((open, there), (Ok(open), Ok(there)) if open == there)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(pid: u32) -> Holder {
        Holder { pid, since: "2026-11-22T16:38:47.000Z".to_owned() }
    }

    #[test]
    fn the_second_learns_who_the_first_is_and_gets_it_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let first = InstanceLock::take(&path, &holder(1)).unwrap();
        let Err(NoLock::Held(Some(found))) = InstanceLock::take(&path, &holder(2)) else {
            panic!("two have it");
        };
        assert_eq!(found, holder(1));
        first.release();
        assert!(!path.exists());
        InstanceLock::take(&path, &holder(2)).unwrap();
    }

    #[test]
    fn a_lock_that_was_handed_over_outlives_the_one_who_had_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let first = InstanceLock::take(&path, &holder(1)).unwrap();
        let handed = first.shared().try_clone().unwrap();
        assert!(
            InstanceLock::inherit(handed.try_clone().unwrap(), &folder.path().join("y")).is_none()
        );
        let second = InstanceLock::inherit(handed, &path).unwrap();
        drop(first);
        second.note(&holder(2)).unwrap();
        let Err(NoLock::Held(Some(found))) = InstanceLock::take(&path, &holder(3)) else {
            panic!("two have it");
        };
        assert_eq!(found, holder(2));
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, precious) = (folder.path().join("x.lock"), folder.path().join("precious"));
        std::fs::write(&precious, "precious").unwrap();
        std::os::unix::fs::symlink(&precious, &path).unwrap();
        let refused = InstanceLock::take(&path, &holder(1));
        assert!(matches!(refused, Err(NoLock::Unusable(_))), "{refused:?}");
        assert_eq!(std::fs::read_to_string(precious).unwrap(), "precious");
    }
}
