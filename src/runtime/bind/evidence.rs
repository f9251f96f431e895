//! What the host shows when a socket cannot be had.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    os::unix::process::parent_id,
    process,
};

use nix::errno::Errno;

use super::{
    cause::{Cause, diagnose},
    error::{Failure, Step},
};
use crate::{
    facts::{self, Facts},
    plan::Bind,
    sys::{
        netlink::{self, TcpSocket},
        process::{self as system, Holders},
    },
};

/// All that a diagnosis may look at.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// What was being done.
    pub step: Step,
    /// What the kernel said.
    pub errno: Errno,
    /// The address in question, unless it is a path.
    pub address: Option<SocketAddr>,
    /// The interface that the socket is tied to, by name.
    pub device: Option<String>,
    /// This process, and the one that has started it, for which it may bind.
    pub processes: [u32; 2],
    /// The user it acts as.
    pub uid: u32,
    /// The cgroup it is in.
    pub cgroup: Option<String>,
    /// Its limit on open descriptors.
    pub descriptors: u64,
    /// The host.
    pub facts: Facts,
    /// Every TCP socket with the port in question.
    pub sockets: Vec<TcpSocket>,
    /// Where anybody on this host listens, whatever the port.
    pub listening: BTreeSet<SocketAddr>,
    /// The processes that hold any of `sockets`.
    pub holders: Holders,
    /// Names of the users of `sockets`.
    pub users: BTreeMap<u32, String>,
    /// Paths of the cgroups of `sockets`.
    pub cgroups: BTreeMap<u64, String>,
    /// What could not be looked at, in words.
    pub unseen: Vec<String>,
}

/// Looks around and tells what is behind a failure.
pub(super) fn explain(failure: &Failure, bind: &Bind, address: Option<SocketAddr>) -> Cause {
    let Some(errno) = failure.source.raw_os_error().map(Errno::from_raw) else {
        return Cause::Other;
    };
    diagnose(&gather(failure.step.clone(), errno, bind, address))
}

fn gather(step: Step, errno: Errno, bind: &Bind, address: Option<SocketAddr>) -> Evidence {
    let mut evidence = Evidence {
        step,
        errno,
        address,
        device: bind.key.device.clone(),
        processes: [process::id(), parent_id()],
        uid: system::effective_user(),
        cgroup: system::own_cgroup(),
        descriptors: system::descriptor_limit().unwrap_or(0),
        facts: Facts::default(),
        sockets: Vec::new(),
        listening: BTreeSet::new(),
        holders: Holders::default(),
        users: BTreeMap::new(),
        cgroups: BTreeMap::new(),
        unseen: Vec::new(),
    };
    match facts::live::read() {
        Ok(facts) => evidence.facts = facts,
        Err(error) => evidence.unseen.push(format!("the interfaces of this host: {error}")),
    }
    if let (Errno::EADDRINUSE, Some(address)) = (errno, address) {
        look_for_holders(&mut evidence, address.port());
    }
    evidence
}

fn look_for_holders(evidence: &mut Evidence, port: u16) {
    let unseen = &mut evidence.unseen;
    match netlink::tcp_sockets_on(port) {
        Ok(sockets) => evidence.sockets = sockets,
        Err(error) => unseen.push(format!("the sockets of this port: {error}")),
    }
    match netlink::tcp_listeners() {
        Ok(found) => evidence.listening = found.iter().map(|listener| listener.local).collect(),
        Err(error) => unseen.push(format!("the listening sockets of this host: {error}")),
    }

    let inodes = evidence.sockets.iter().map(|socket| socket.inode.into());
    match system::holders_of(&inodes.filter(|inode| *inode != 0).collect()) {
        Ok(holders) => evidence.holders = holders,
        Err(error) => unseen.push(format!("the processes of this host: {error}")),
    }
    for socket in &evidence.sockets {
        if let Some(name) = system::user_name(socket.uid) {
            evidence.users.insert(socket.uid, name);
        }
        let Some(id) = socket.cgroup.filter(|id| !evidence.cgroups.contains_key(id)) else {
            continue;
        };
        if let Some(path) = system::cgroup_path(id) {
            evidence.cgroups.insert(id, path);
        }
    }
}
