//! Taking over sockets that listen already, before the first plan comes true.
//!
//! They become live groups, as if this process had opened them for a plan of before. The plan's
//! own comparison then says what stays, what is opened beside them and how the rest retires, so a
//! start over them loses no more than a reload: nothing.

use std::{collections::BTreeMap, num::NonZeroU16, sync::Arc};

use super::{Group, Sockets, State};
use crate::{
    plan::{Bind, BindAddress, BindKey, Plan},
    policy::ListenerId,
    runtime::{
        SocketId,
        bind::{self, BindError, Handed},
    },
};

/// A socket that somebody else has held for us.
#[derive(Debug)]
pub(in crate::supervisor) struct Inherited {
    /// The socket.
    pub(in crate::supervisor) socket: Handed,
    /// The listener that it served, as far as known; it counts only where the plan has none.
    pub(in crate::supervisor) listener: ListenerId,
}

impl Sockets {
    /// Takes sockets over. They serve nobody before a commit; dropped before that, they go on
    /// living where they came from.
    ///
    /// # Errors
    /// Every socket that cannot be made what a plan needs.
    pub(in crate::supervisor) fn inherit(
        &mut self,
        inherited: Vec<Inherited>,
        plan: &Plan,
    ) -> Result<(), Vec<BindError>> {
        let mut by_key: BTreeMap<BindKey, Vec<Inherited>> = BTreeMap::new();
        for one in inherited {
            by_key.entry(one.socket.key().clone()).or_default().push(one);
        }
        let mut errors = Vec::new();
        for (key, of_key) in by_key {
            let bind = as_found(&key, &of_key, plan.binds.get(&key));
            let mut sockets = Vec::new();
            for one in of_key {
                match one.socket.adopt(&bind) {
                    Ok(socket) => {
                        self.last_id += 1;
                        self.inherited.insert(SocketId(self.last_id));
                        sockets.push((SocketId(self.last_id), Arc::new(socket)));
                    }
                    Err(error) => errors.push(error),
                }
            }
            self.groups.insert(key, Group { bind, sockets, state: State::Planned });
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// What sockets of one address are, in the words of a plan. What no plan says of a live socket is
/// taken from the plan to come.
fn as_found(key: &BindKey, found: &[Inherited], planned: Option<&Bind>) -> Bind {
    let first = found.first().expect("a key comes with its first socket");
    let unix = planned.and_then(|planned| planned.unix.clone());
    // Without it the comparison sees another file than is wanted, and replaces this one.
    let unix = unix.filter(bind::is_as_wanted);
    let count = u16::try_from(found.len()).ok().and_then(NonZeroU16::new);
    Bind {
        key: key.clone(),
        listener: first.listener.clone(),
        sockets: count.unwrap_or(NonZeroU16::MAX),
        backlog: planned.map_or(0, |planned| planned.backlog),
        link: match key.address {
            // An address with a scope is not tied by an option, and the kernel keeps it.
            BindAddress::Tcp(_) => first.socket.link(),
            BindAddress::Unix(_) => None,
        },
        unix,
        inherited: planned.and_then(|planned| planned.inherited.clone()),
    }
}
