//! Interfaces get other names, and the sockets that are tied to them stay what they are: the kernel
//! ties a socket to an interface and not to its name.

use super::Sockets;
use crate::{facts::Facts, plan::BindKey};

impl Sockets {
    /// Has every socket go by the name that its interface has by now. Otherwise the plan would ask
    /// for another socket, for which the one that is there leaves no room.
    pub(in crate::supervisor) fn follow_names(&mut self, facts: &Facts) {
        let renamed: Vec<_> = self
            .groups
            .iter()
            .filter_map(|(key, group)| {
                let device = key.device.as_ref()?;
                let link = facts.links.iter().find(|link| Some(link.index) == group.bind.link)?;
                let new = BindKey { device: Some(link.name.clone()), ..key.clone() };
                (link.name != *device).then(|| (key.clone(), new))
            })
            .collect();
        // Two interfaces may have changed names, so all leave before the first comes back.
        let groups: Vec<_> = renamed
            .into_iter()
            .filter_map(|(old, new)| Some((new, self.groups.remove(&old)?)))
            .collect();
        for (key, mut group) in groups {
            group.bind.key = key.clone();
            self.groups.insert(key, group);
        }
    }
}
