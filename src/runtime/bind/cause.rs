//! From what the host shows to the cause of an error: a function, and a table of tests.

mod in_use;

#[cfg(test)]
pub(super) use in_use::overlaps;
pub use in_use::{InUse, Owner, Process};

use std::net::IpAddr;

use ipnet::IpNet;
use nix::errno::Errno;

use super::{error::Step, evidence::Evidence};

/// Addresses named to someone who asked for one that the host lacks.
const MAX_NEAR: usize = 5;

/// What is behind an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// `EADDRINUSE`: somebody or something has the port.
    InUse(InUse),
    /// `EACCES`: the port needs a privilege.
    Privileged {
        /// The port.
        port: u16,
        /// The first port that does not.
        start: u16,
        /// This process has the capability, but in a user namespace that does not own the
        /// network namespace.
        foreign_namespace: bool,
    },
    /// `EACCES` although the port needs none: a security module, or Landlock.
    Confined,
    /// `EADDRNOTAVAIL`: the host lacks the address.
    Absent {
        /// Addresses of the host that may have been meant, the nearest first.
        near: Vec<Near>,
        /// The host has no address of this family at all.
        no_family: bool,
    },
    /// `EADDRNOTAVAIL`: duplicate address detection still runs, or found a duplicate.
    Tentative {
        /// The interface that has the address.
        interface: String,
    },
    /// `EADDRNOTAVAIL` although the address is there, such as `fe80::` of another interface.
    Unreachable {
        /// The interface that has the address.
        interface: String,
    },
    /// `ENODEV`: the interface is not there.
    NoDevice {
        /// Those that are.
        interfaces: Vec<String>,
    },
    /// `EPERM`: a program of the cgroup said no.
    Forbidden {
        /// The cgroup of this process.
        cgroup: Option<String>,
    },
    /// `EMFILE`: this process has as many descriptors as it may.
    Descriptors {
        /// The limit.
        limit: u64,
    },
    /// `ENFILE`: the whole system has.
    SystemDescriptors,
    /// `EAFNOSUPPORT`: no sockets of this family.
    NoFamily,
    /// It is about the file of a path socket.
    Path(PathTrouble),
    /// Another process has bound for this one, and found this out.
    Told {
        /// What is so, one finding a line.
        why: Vec<String>,
        /// What can be done, one way a line.
        help: Vec<String>,
    },
    /// The error says all there is.
    Other,
}

/// What is wrong with a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathTrouble {
    /// A living socket is there; who listens, if the kernel tells.
    Held(Option<Owner>),
    /// What is there is no socket.
    Occupied,
    /// The path, or the name it has until it is put in place, is longer than `sun_path`.
    TooLong,
    /// The directory is not there.
    NoDirectory,
    /// This user may not create files in the directory, or use the one that is there.
    Refused,
    /// The file may not be given to the user or group asked for.
    OwnerRefused,
    /// The system knows no user or group of this name.
    NoSuchAccount(String),
}

/// An address of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// The address.
    pub address: IpAddr,
    /// Length of its network prefix.
    pub prefix: u8,
    /// The interface.
    pub interface: String,
}

/// Finds the cause of an error in what the host shows.
#[must_use]
pub fn diagnose(evidence: &Evidence) -> Cause {
    let Some(address) = evidence.address else { return of_path(evidence) };
    match evidence.errno {
        Errno::EADDRINUSE => Cause::InUse(in_use::diagnose(evidence, address)),
        Errno::EACCES if evidence.step == Step::Bind => no_access(evidence, address.port()),
        Errno::EADDRNOTAVAIL => not_available(evidence, address.ip()),
        _ => of_any(evidence),
    }
}

fn of_path(evidence: &Evidence) -> Cause {
    match evidence.errno {
        Errno::ENOENT | Errno::ENOTDIR => Cause::Path(PathTrouble::NoDirectory),
        Errno::EACCES | Errno::EROFS => Cause::Path(PathTrouble::Refused),
        Errno::EPERM if evidence.step == Step::Permissions => {
            Cause::Path(PathTrouble::OwnerRefused)
        }
        _ => of_any(evidence),
    }
}

fn of_any(evidence: &Evidence) -> Cause {
    let names = || evidence.facts.links.iter().map(|link| link.name.clone()).collect();
    match evidence.errno {
        Errno::ENODEV => Cause::NoDevice { interfaces: names() },
        Errno::EPERM => Cause::Forbidden { cgroup: evidence.cgroup.clone() },
        Errno::EMFILE => Cause::Descriptors { limit: evidence.descriptors },
        Errno::ENFILE => Cause::SystemDescriptors,
        Errno::EAFNOSUPPORT => Cause::NoFamily,
        _ => Cause::Other,
    }
}

fn no_access(evidence: &Evidence, port: u16) -> Cause {
    let start = evidence.facts.unprivileged_port_start;
    if port == 0 || port >= start {
        return Cause::Confined;
    }
    let foreign_namespace = evidence.facts.may_bind_privileged;
    Cause::Privileged { port, start, foreign_namespace }
}

fn not_available(evidence: &Evidence, wanted: IpAddr) -> Cause {
    let facts = &evidence.facts;
    if let Some(have) = facts.owner(wanted) {
        let interface = have.interface.clone();
        return match have.tentative {
            true => Cause::Tentative { interface },
            false => Cause::Unreachable { interface },
        };
    }
    let family = facts.addresses.iter().filter(|it| it.address.is_ipv4() == wanted.is_ipv4());
    let mut near: Vec<_> = family
        .map(|it| Near { address: it.address, prefix: it.prefix, interface: it.interface.clone() })
        .collect();
    let no_family = near.is_empty();
    near.sort_by_key(|it| !in_same_network(it, wanted));
    near.truncate(MAX_NEAR);
    Cause::Absent { near, no_family }
}

fn in_same_network(near: &Near, wanted: IpAddr) -> bool {
    IpNet::new(near.address, near.prefix).is_ok_and(|network| network.contains(&wanted))
}

#[cfg(test)]
mod tests;
