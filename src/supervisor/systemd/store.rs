//! The sockets that the service manager keeps (`FileDescriptorStoreMax=`), so that a process that
//! was killed or restarted finds them as they were, with everybody who waits in their queues.
//!
//! Path sockets are not among them: the kernel knows such a socket by the name under which it was
//! made, which is not where it is, and a folder that goes with the service takes the file along. A
//! new one takes the place of the old in one step, as in a reload.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    os::fd::AsFd,
    sync::Arc,
};

use sha2::{Digest, Sha256};

use super::Systemd;
use crate::{
    plan::BindKey,
    runtime::{SocketId, bind::BoundSocket},
    sys::scm::MAX_DESCRIPTORS,
};

/// What the names of our sockets begin with.
const PREFIX: &str = "pc.";

/// Bytes of the hash in a name. The kernel is asked what a socket is; the name is to remove it by,
/// so it only has to be nobody else's.
const NAME_BYTES: usize = 16;

/// What is kept, as far as we have said.
#[derive(Debug, Default)]
pub(super) struct Store(BTreeMap<String, BTreeSet<SocketId>>);

/// Sockets to be kept, by name.
pub(in crate::supervisor) type Keep = BTreeMap<String, Vec<(SocketId, Arc<BoundSocket>)>>;

/// What has to be said for a name.
#[derive(Debug, Default, PartialEq, Eq)]
struct Change {
    /// Everything of this name goes first.
    remove: bool,
    /// These are new.
    add: BTreeSet<SocketId>,
}

impl Store {
    /// Something of this name is kept since the process before. It is sent again, which the service
    /// manager notices, or its name is removed.
    pub(super) fn note(&mut self, name: &str) {
        self.0.entry(name.to_owned()).or_default();
    }
}

impl Systemd {
    /// These are kept already, by the process before or for it. They are sent again, which the
    /// service manager notices, or their names are removed.
    pub(in crate::supervisor) fn note_kept(&mut self, kept: &Keep) {
        for name in kept.keys() {
            self.store.note(name);
        }
    }

    /// Has the service manager keep exactly these.
    pub(in crate::supervisor) fn keep(&mut self, wanted: &Keep) {
        if self.notify.is_none() {
            return;
        }
        let gone = self.store.0.keys().filter(|name| !wanted.contains_key(*name)).cloned();
        for name in gone.collect::<Vec<_>>() {
            self.store.0.remove(&name);
            self.forget(&name);
        }
        for (name, sockets) in wanted {
            let ids = sockets.iter().map(|(id, _)| *id).collect();
            let change = change(self.store.0.get(name), &ids);
            if change.remove {
                self.forget(name);
            }
            let new = sockets.iter().filter(|(id, _)| change.add.contains(id));
            let new: Vec<_> = new.map(|(_, socket)| socket.as_fd()).collect();
            for some in new.chunks(MAX_DESCRIPTORS) {
                if !self.send(&format!("FDSTORE=1\nFDNAME={name}"), some) {
                    // It does not hear, and would not hear of the others. The next commit tries
                    // again.
                    return;
                }
            }
            self.store.0.insert(name.clone(), ids);
        }
    }
}

/// Whether a name is one that this program gives.
pub(super) fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The name of the sockets of a bind.
pub(in crate::supervisor) fn name_of(key: &BindKey) -> String {
    let mut name = PREFIX.to_owned();
    let unnumbered = key.unnumbered.as_ref().map(ToString::to_string);
    let hash = Sha256::digest(format!("{key} {}", unnumbered.unwrap_or_default()));
    for byte in hash.iter().take(NAME_BYTES) {
        write!(name, "{byte:02x}").expect("a string takes everything");
    }
    name
}

/// The message that lets go of everything that has the name.
pub(super) fn removal(name: &str) -> String {
    format!("FDSTOREREMOVE=1\nFDNAME={name}")
}

fn change(kept: Option<&BTreeSet<SocketId>>, wanted: &BTreeSet<SocketId>) -> Change {
    match kept {
        None => Change { remove: false, add: wanted.clone() },
        // Single sockets of a name cannot be taken out.
        Some(kept) if !kept.is_subset(wanted) => Change { remove: true, add: wanted.clone() },
        Some(kept) => Change { remove: false, add: wanted - kept },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::BindAddress;

    #[test]
    fn a_name_is_sent_anew_only_when_a_socket_of_it_has_gone() {
        let ids = |ids: &[u64]| ids.iter().copied().map(SocketId).collect::<BTreeSet<_>>();
        let of = |kept: Option<&[u64]>, wanted: &[u64]| {
            let Change { remove, add } = change(kept.map(ids).as_ref(), &ids(wanted));
            (remove, add.into_iter().map(|id| id.0).collect::<Vec<_>>())
        };
        assert_eq!(of(None, &[1, 2]), (false, vec![1, 2]));
        assert_eq!(of(Some(&[1, 2]), &[1, 2]), (false, vec![]));
        assert_eq!(of(Some(&[1]), &[1, 2]), (false, vec![2]));
        assert_eq!(of(Some(&[1, 2]), &[2, 3]), (true, vec![2, 3]));
    }

    #[test]
    fn a_socket_has_a_name_by_what_it_is_bound_to() {
        let key = |address: &str, device: Option<&str>| BindKey {
            address: BindAddress::Tcp(address.parse().unwrap()),
            device: device.map(str::to_owned),
            unnumbered: None,
        };
        let name = name_of(&key("127.0.0.1:80", None));
        assert!(is_ours(&name) && name.len() == PREFIX.len() + 2 * NAME_BYTES, "{name}");
        assert_eq!(name, name_of(&key("127.0.0.1:80", None)));
        assert_ne!(name, name_of(&key("127.0.0.1:80", Some("lo"))));
        assert_ne!(name, name_of(&key("127.0.0.1:81", None)));
    }
}
