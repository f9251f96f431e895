//! The sockets as the service manager is concerned with them: those that it is to keep, and those
//! that it has made.

use super::{Group, Sockets};
use crate::{
    facts::PassedSocket,
    supervisor::systemd::{Keep, address_of, name_of},
};

impl Sockets {
    /// How many there are.
    pub(in crate::supervisor) fn count(&self) -> usize {
        self.groups.values().map(|group| group.sockets.len()).sum()
    }

    /// The sockets of socket units that are left, for the rule that holds them against a file.
    pub(in crate::supervisor) fn passed(&self) -> Vec<PassedSocket> {
        let passed = |group: &Group| {
            let name = group.bind.inherited.clone()?;
            Some(PassedSocket { name, found: Ok(address_of(&group.bind.key)?) })
        };
        self.groups.values().filter_map(passed).collect()
    }

    /// What a process after this one can go on with.
    pub(in crate::supervisor) fn to_keep(&self) -> Keep {
        let kept = self.groups.iter().filter(|(key, group)| {
            // The service manager has those of its own anyway.
            key.path().is_none() && group.bind.inherited.is_none()
        });
        kept.map(|(key, group)| (name_of(key), group.sockets.clone())).collect()
    }
}
