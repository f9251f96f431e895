//! What a worker is told: the whole of what it is to serve from now on.

use std::{net::SocketAddr, sync::Arc};

use crate::{
    policy::ListenerId,
    runtime::{bind::BoundSocket, registry::Registry},
    telemetry::access::Log,
};

/// What to serve from now on. A worker finds out by itself what is new, what stays and what goes,
/// and leaves alone what stays.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Listeners, their limits and their backends. The sessions of a listener that is no longer
    /// here may finish within the `drain` of the configuration they last had.
    pub registry: Registry,
    /// Which sockets are served, by whom, as what. A socket that is no longer here is accepted from
    /// until its queue is empty, taken out of every poll, and let go of. An id stands for one
    /// socket for good.
    pub assignments: Vec<Assignment>,
    /// How many of the workers accept clients. Those beyond it keep the sessions they have.
    pub workers: usize,
    /// Where sessions are recorded.
    pub access_log: Option<Log>,
}

/// The identity of a socket among those of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// One socket's part.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// Which one it is.
    pub id: SocketId,
    /// The socket. The last holder closes it; nobody ever shuts it down, for that would reset the
    /// clients in its queue.
    pub socket: Arc<BoundSocket>,
    /// As what it is served.
    pub role: Role,
    /// By whom.
    pub share: Share,
}

/// As what a socket is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// As this listener, which is in the registry.
    Serve(ListenerId),
    /// It is wider than what is exposed now, and only finishes handshakes that had begun. Each
    /// client is looked up among the successors, and turned away where it comes to none of them.
    Linger {
        /// The listener it was bound for, which the records of clients turned away name.
        of: ListenerId,
        /// What is exposed now in its place; all in the registry.
        successors: Vec<Successor>,
    },
}

/// Which workers serve a socket. A socket is one of a group that shares an address. The group is
/// dealt out so that every worker serves a member and every member is served, whether there are
/// more workers or more members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// Which member of the group it is, from 0.
    pub member: usize,
    /// How many there are, at least one.
    pub of: usize,
}

impl Share {
    /// The only socket of its address, which every worker serves.
    #[cfg(test)]
    pub(super) const ALONE: Self = Self { member: 0, of: 1 };

    /// Whether a worker has a part in it.
    pub(super) fn includes(self, worker: usize, workers: usize) -> bool {
        if worker >= workers {
            false
        } else if self.of < workers {
            worker % self.of == self.member
        } else {
            self.member % workers == worker
        }
    }
}

/// A place that is exposed, as far as an accepted connection shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Successor {
    /// Address and port of the socket; an unspecified address covers every address of its family.
    pub address: SocketAddr,
    /// Number of the interface the socket is tied to.
    pub device: Option<u32>,
    /// Who serves what comes there.
    pub listener: ListenerId,
}

impl Successor {
    /// Whether a connection with this local address, which came in by this interface, would have
    /// been accepted there. Where an interface is asked for, a connection whose interface is
    /// unknown would not have been.
    pub(super) fn covers(&self, local: SocketAddr, ingress: Option<u32>) -> bool {
        let address = self.address.ip();
        self.address.port() == local.port()
            && self.address.is_ipv4() == local.is_ipv4()
            && (address.is_unspecified() || address == local.ip())
            && self.device.is_none_or(|device| ingress == Some(device))
    }

    /// The kernel's order where several cover a connection: the exact address first, whatever the
    /// interface, then the interface.
    pub(super) fn rank(&self) -> (bool, bool) {
        (!self.address.ip().is_unspecified(), self.device.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn successor(address: &str, device: Option<u32>) -> Successor {
        let listener = ListenerId::new("web");
        Successor { address: address.parse().unwrap(), device, listener }
    }

    #[test]
    fn a_successor_covers_its_address_its_port_and_its_interface_only() {
        let table = [
            ("10.0.0.5:80", None, "10.0.0.5:80", None, true),
            ("10.0.0.5:80", None, "10.0.0.6:80", None, false),
            ("10.0.0.5:80", None, "10.0.0.5:81", None, false),
            ("10.0.0.5:80", Some(3), "10.0.0.5:80", Some(3), true),
            ("10.0.0.5:80", Some(3), "10.0.0.5:80", Some(4), false),
            ("10.0.0.5:80", Some(3), "10.0.0.5:80", None, false),
            ("0.0.0.0:80", None, "10.0.0.6:80", Some(9), true),
            ("0.0.0.0:80", None, "[2001:db8::1]:80", None, false),
            ("[::]:80", None, "[2001:db8::1]:80", None, true),
            ("[::]:80", None, "10.0.0.6:80", None, false),
        ];
        for (address, device, local, ingress, covered) in table {
            let covers = successor(address, device).covers(local.parse().unwrap(), ingress);
            assert_eq!(covers, covered, "{address} {device:?} {local} {ingress:?}");
        }
    }

    #[test]
    fn successors_rank_as_the_kernel_delivers() {
        let (exact, tied, any) = ("10.0.0.5:80", Some(3), "0.0.0.0:80");
        assert!(successor(exact, None).rank() > successor(any, tied).rank());
        assert!(successor(any, tied).rank() > successor(any, None).rank());
    }

    #[test]
    fn every_worker_serves_a_member_and_every_member_is_served() {
        let served = |of, workers| {
            let of_worker = move |worker| {
                let members = (0..of)
                    .filter(|member| Share { member: *member, of }.includes(worker, workers));
                members.collect::<Vec<_>>()
            };
            (0..workers).map(of_worker).collect::<Vec<_>>()
        };
        assert_eq!(served(1, 2), [[0], [0]]);
        assert_eq!(served(2, 2), [[0], [1]]);
        assert_eq!(served(4, 2), [[0, 2], [1, 3]]);
        assert_eq!(served(2, 3), [[0], [1], [0]]);
        assert!(!Share::ALONE.includes(2, 2), "a worker that is no longer wanted");
    }
}
