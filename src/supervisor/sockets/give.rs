//! Handing sockets to another process, and letting go of them.

use std::sync::Arc;

use super::{Group, Sockets, State};
use crate::{
    policy::ListenerId,
    runtime::bind::{BoundSocket, FileId},
    supervisor::upgrade::{Descriptor, frame::Item},
};

impl Sockets {
    /// Every socket, including those that retire: what becomes of them the other process's plan
    /// says.
    pub(in crate::supervisor) fn items(&self) -> impl Iterator<Item = (Item, Descriptor)> {
        self.groups.values().flat_map(|group| {
            let listener = &group.bind.listener;
            group
                .sockets
                .iter()
                .map(|(_, socket)| (item(listener, socket), Arc::clone(socket) as Descriptor))
        })
    }

    /// Takes every socket out of service here, and leaves paths alone: they are another's by now.
    pub(in crate::supervisor) fn let_go(&mut self) -> Vec<Arc<BoundSocket>> {
        let groups = std::mem::take(&mut self.groups);
        let sockets = groups.into_values().flat_map(|group| group.sockets);
        sockets.map(|(_, socket)| socket).collect()
    }

    /// Closes the doors that a process has opened which was to take over and did not.
    pub(in crate::supervisor) fn forbid_joining(&self) {
        let alone = |group: &&Group| group.state == State::Planned && group.sockets.len() == 1;
        self.groups.values().filter(alone).for_each(Group::forbid_joining);
    }
}

fn item(listener: &ListenerId, socket: &BoundSocket) -> Item {
    let listener = listener.to_string();
    match socket.named_file() {
        Some((path, FileId { device, inode })) => {
            Item::Path { listener, path: path.to_owned(), device, inode }
        }
        None => Item::Socket { listener },
    }
}
