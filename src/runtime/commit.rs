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

/// Which worker accepts from a socket. A socket is one of a group that shares an address. Where
/// there are at least as many as workers, they are dealt out, and the kernel spreads the clients.
/// Where there are fewer, each has one worker, which hands clients to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Which member of the group it is, from 0.
    pub member: usize,
    /// How many there are, at least one.
    pub of: usize,
}

impl Share {
    /// The only socket of its address.
    #[cfg(test)]
    pub(super) const ALONE: Self = Self { member: 0, of: 1 };

    /// Which of the workers it is. Small groups do not all begin with the first worker, or that one
    /// would accept for all listeners.
    pub(super) fn worker(self, socket: SocketId, workers: usize) -> usize {
        let begin = if self.is_handed_on(workers) {
            usize::try_from(socket.0 % workers.max(1) as u64).expect("it is less than the workers")
        } else {
            self.member
        };
        begin % workers.max(1)
    }

    /// Whether its clients are handed to the worker that has the fewest sessions.
    pub(super) fn is_handed_on(self, workers: usize) -> bool {
        self.of < workers
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
    fn a_group_is_dealt_out_and_a_small_one_begins_anywhere() {
        let workers = |of, workers| {
            let worker = |member| Share { member, of }.worker(SocketId(7 + member as u64), workers);
            (0..of).map(worker).collect::<Vec<_>>()
        };
        assert_eq!(workers(4, 2), [0, 1, 0, 1]);
        assert_eq!(workers(2, 2), [0, 1]);
        assert_eq!(workers(2, 3), [1, 2], "each has a worker of its own");
        assert_eq!(workers(1, 1), [0]);
        assert_eq!(workers(1, 4), [3]);
        assert_eq!(workers(1, 0), [0], "nobody accepts, but nothing breaks");
    }
}
