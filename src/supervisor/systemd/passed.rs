//! What was passed in at the start: sockets that this service had kept, and those of socket units.

use tracing::{info, warn};

use super::{Systemd, store};
use crate::{
    facts::{PassedAddress, PassedSocket},
    plan::BindKey,
    policy::{ListenerId, Policy},
    runtime::bind::{Handed, Unfit},
    supervisor::sockets::inherit::Inherited,
    sys::systemd::Passed,
};

/// Sockets that came with the start.
#[derive(Debug, Default)]
pub(in crate::supervisor) struct Brought {
    /// Kept since the process before.
    kept: Vec<Inherited>,
    /// Of socket units, by name.
    named: Vec<(String, Result<Handed, Unfit>)>,
}

impl Systemd {
    /// Looks at what was passed. What is of no use is closed; its other holders do not notice.
    pub(in crate::supervisor) fn recognise(&mut self, passed: Vec<Passed>) -> Brought {
        let mut brought = Brought::default();
        for Passed { name, fd } in passed {
            let socket = Handed::recognise(fd);
            if !store::is_ours(&name) {
                brought.named.push((name, socket));
                continue;
            }
            match socket {
                Ok(socket) => {
                    info!(%name, socket = %socket.key(), "kept since the process before");
                    self.store.note(&name);
                    brought.kept.push(Inherited { socket, listener: ListenerId::new(&name) });
                }
                Err(reason) => {
                    warn!(%name, %reason, "a kept socket is of no use; it is closed");
                    self.forget(&name);
                }
            }
        }
        brought
    }
}

impl Brought {
    /// The sockets of socket units, for the rule that holds them against the file.
    pub(in crate::supervisor) fn facts(&self) -> Vec<PassedSocket> {
        let found = |socket: &Result<Handed, Unfit>| match socket {
            Ok(socket) => address_of(socket.key()).ok_or_else(|| "it has no address".to_owned()),
            Err(reason) => Err(reason.to_string()),
        };
        let named = self.named.iter();
        named
            .map(|(name, socket)| PassedSocket { name: name.clone(), found: found(socket) })
            .collect()
    }

    /// The sockets that the policy is to be served on. The others are closed.
    pub(in crate::supervisor) fn of(self, policy: &Policy) -> Vec<Inherited> {
        let mut inherited = self.kept;
        for (name, socket) in self.named {
            let mut listeners = policy.listeners.values();
            let of_name = listeners.find(|one| one.inherited.as_ref() == Some(&name));
            match (of_name, socket) {
                (Some(listener), Ok(socket)) => {
                    inherited.push(Inherited { socket, listener: listener.id.clone() });
                }
                _ => warn!(
                    %name,
                    "a descriptor was passed that no `expose: {{ inherited: … }}` names; it is closed"
                ),
            }
        }
        inherited
    }
}

/// Where a socket listens, as facts have it.
pub(in crate::supervisor) fn address_of(key: &BindKey) -> Option<PassedAddress> {
    Some(PassedAddress { address: key.socket_addr()?, device: key.device.clone() })
}
