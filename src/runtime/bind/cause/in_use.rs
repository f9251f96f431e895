//! `EADDRINUSE`, which the kernel says for many reasons.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use super::Evidence;
use crate::sys::netlink::{TcpSocket, TcpState};

/// Why a port is in use. Of several reasons the first of this list is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InUse {
    /// A socket of this very process has it.
    Own {
        /// Where that one is bound.
        local: SocketAddr,
        /// Its user, if that is not who this process acts as now: the two can never share a port.
        other_user: Option<String>,
    },
    /// Somebody has a socket there that listens, or is about to.
    Held {
        /// Where that one is bound.
        local: SocketAddr,
        /// Whether it listens.
        listens: bool,
        /// Who.
        owner: Owner,
    },
    /// A socket is there which no process has.
    Orphaned {
        /// Where that one is bound.
        local: SocketAddr,
        /// Whose it is.
        owner: Owner,
    },
    /// Connections of a previous listener that had not set SO_REUSEADDR live on.
    Leftovers {
        /// How many in which state.
        states: BTreeMap<TcpState, usize>,
        /// Who has the first of them.
        owner: Owner,
    },
    /// An outgoing connection uses the port as its source.
    Outgoing {
        /// The near end.
        local: SocketAddr,
        /// The far end.
        peer: SocketAddr,
        /// Who made it.
        owner: Owner,
        /// Where outgoing connections take their ports from.
        ephemeral: (u16, u16),
    },
    /// Nothing but connections that are over, and that the kernel keeps for a minute.
    TimeWait {
        /// How many.
        connections: usize,
    },
    /// Port 0 was asked for, and no port is left to choose.
    PortsExhausted {
        /// The ports to choose from.
        ephemeral: (u16, u16),
    },
    /// There is nothing to be seen that explains it.
    NothingFound {
        /// What could not be looked at.
        unseen: Vec<String>,
    },
}

/// Who has a socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owner {
    /// The processes that have a descriptor of it, as far as they are to be seen.
    pub processes: Vec<Process>,
    /// The user who made it: a name or a number.
    pub user: String,
    /// The cgroup that made it.
    pub cgroup: Option<String>,
    /// Processes whose descriptors this process may not list; any may have it too.
    pub unreadable: usize,
}

/// A process, for a person to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// The program it runs, if it is known.
    pub program: Option<String>,
}

/// Tells why a port is in use.
pub(super) fn diagnose(evidence: &Evidence, address: SocketAddr) -> InUse {
    if address.port() == 0 {
        return InUse::PortsExhausted { ephemeral: evidence.facts.ephemeral_ports };
    }
    let device = device(evidence, address);
    let (bound, connections): (Vec<_>, Vec<_>) = evidence
        .sockets
        .iter()
        .filter(|socket| overlaps(address.ip(), device, socket))
        .partition(|socket| matches!(socket.state, TcpState::Listen | TcpState::Close));
    let sockets = bound.into_iter().map(|socket| of_socket(evidence, socket));
    sockets.min_by_key(rank).unwrap_or_else(|| of_connections(evidence, &connections))
}

/// What is ours explains most, then what has a process to go to.
fn rank(cause: &InUse) -> u8 {
    match cause {
        InUse::Own { .. } => 0,
        InUse::Held { owner, .. } if !owner.processes.is_empty() => 1,
        _ => 2,
    }
}

/// A socket that listens, or is bound and may listen any moment.
fn of_socket(evidence: &Evidence, socket: &TcpSocket) -> InUse {
    let (local, owner) = (socket.local, owner(evidence, socket));
    if owner.processes.iter().any(|process| evidence.processes.contains(&process.pid)) {
        let other_user = (socket.uid != evidence.uid).then_some(owner.user);
        return InUse::Own { local, other_user };
    }
    let seen_all = owner.unreadable == 0 && evidence.unseen.is_empty();
    if owner.processes.is_empty() && seen_all {
        return InUse::Orphaned { local, owner };
    }
    InUse::Held { local, listens: socket.state == TcpState::Listen, owner }
}

fn of_connections(evidence: &Evidence, connections: &[&TcpSocket]) -> InUse {
    let mut states = BTreeMap::new();
    for socket in connections {
        *states.entry(socket.state).or_default() += 1;
    }
    let alive = || connections.iter().filter(|socket| socket.state != TcpState::TimeWait);
    let Some(first) = alive().next() else {
        return match connections.len() {
            0 => InUse::NothingFound { unseen: evidence.unseen.clone() },
            connections => InUse::TimeWait { connections },
        };
    };
    let owner = owner(evidence, first);
    if alive().all(|socket| is_outgoing(evidence, socket)) {
        let (local, peer) = (first.local, first.peer);
        return InUse::Outgoing { local, peer, owner, ephemeral: evidence.facts.ephemeral_ports };
    }
    InUse::Leftovers { states, owner }
}

/// Whether a connection was made from this host rather than accepted, as far as its ends tell.
fn is_outgoing(evidence: &Evidence, socket: &TcpSocket) -> bool {
    let (first, last) = evidence.facts.ephemeral_ports;
    let ephemeral = |end: SocketAddr| (first..=last).contains(&end.port());
    socket.state == TcpState::SynSent
        || evidence.listening.contains(&socket.peer)
        || (ephemeral(socket.local) && !ephemeral(socket.peer))
}

fn owner(evidence: &Evidence, socket: &TcpSocket) -> Owner {
    let found = evidence.holders.found.iter();
    let processes = found
        .filter(|holder| holder.inode == u64::from(socket.inode))
        .map(|it| Process { pid: it.pid, name: it.name.clone(), program: it.program.clone() });
    Owner {
        processes: processes.collect(),
        user: evidence.users.get(&socket.uid).map_or_else(|| socket.uid.to_string(), Clone::clone),
        cgroup: socket.cgroup.and_then(|id| evidence.cgroups.get(&id)).cloned(),
        unreadable: evidence.holders.unreadable,
    }
}

/// The interface that our socket is tied to, by option or by a scope; 0 for none.
fn device(evidence: &Evidence, address: SocketAddr) -> u32 {
    let named = evidence.device.as_deref().and_then(|name| evidence.facts.link(name));
    match (named, address) {
        (Some(link), _) => link.index,
        (None, SocketAddr::V6(address)) => address.scope_id(),
        (None, SocketAddr::V4(_)) => 0,
    }
}

/// Whether a socket of ours on this address, never a dual-stack one, and that socket are in each
/// other's way. Ports are equal already.
pub(in crate::runtime::bind) fn overlaps(wanted: IpAddr, device: u32, socket: &TcpSocket) -> bool {
    if device != 0 && socket.device != 0 && device != socket.device {
        return false;
    }
    let have = socket.local.ip();
    // `[::]` without IPV6_V6ONLY stands for both families.
    if socket.v6 && have.is_unspecified() && !socket.only_v6 {
        return true;
    }
    let have = have.to_canonical();
    have.is_ipv4() == wanted.is_ipv4()
        && (have == wanted || have.is_unspecified() || wanted.is_unspecified())
}
