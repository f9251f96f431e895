//! What is live, held against what is declared: a function from data to rows.
//!
//! Both sides are sets of flows, made by one function from where sockets are bound. So a dual-stack
//! socket is wider than a declared pair that it stands for, however it is printed, and two sockets
//! of which one lingers inside the other after a reload are no drift.
//!
//! # Whose a socket is
//!
//! A process is *ours* when it runs this program's file (by `/proc/PID/exe`, which a process cannot
//! choose, or at the same path if an update has replaced the file) and was started to `run` the
//! very service file that is audited. Its name is never looked at, and its user neither: a socket
//! keeps the user who made it, so after privileges are dropped the two differ. A socket is ours if
//! such a process has a descriptor of it, whoever else has one. It is another's if somebody else
//! has one, or if nobody in sight has and every process of ours was looked into. Otherwise it is
//! *unknown*, and what is said of it supposes that it is ours.

pub mod changes;
pub mod end;
pub mod first_file;
pub mod gauges;
pub mod json;
pub mod lapse;
pub mod live;
pub mod report;
pub mod text;

mod judge;
mod met;
mod path;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    facts::Facts,
    plan::Plan,
    policy::{ListenerId, Policy, UnixSocket},
};

pub use live::Live;
pub use report::{Report, Row, Status, Unseen, Verdict};

/// What is held against one another.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The files.
    pub declarations: &'a [Declaration],
    /// The host as the files were planned for it.
    pub facts: &'a Facts,
    /// Its sockets.
    pub live: &'a Live,
    /// Whose sockets are judged.
    pub scope: Scope,
    /// What becomes of undeclared UDP sockets on ports of outgoing connections.
    pub ephemeral_udp: EphemeralUdp,
}

/// Whose sockets are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What is declared, and every socket of the processes that run the files.
    Ours,
    /// Every socket of the network namespace as well.
    Host,
}

/// What becomes of undeclared UDP sockets on ports that the kernel gives to clients: most of those
/// are clients that wait for an answer, and the kernel does not tell them from servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EphemeralUdp {
    /// They are counted and no more is said.
    Ignore,
    /// They are undeclared as others are.
    Report,
}

/// A file with what it comes to on this host, and who runs it.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// The file, as it was named.
    pub file: String,
    /// What it means.
    pub policy: Policy,
    /// The sockets that it comes to.
    pub plan: Plan,
    /// Where the process may have its admin socket, and with which permissions.
    pub admin: Vec<UnixSocket>,
    /// The listeners that nobody lets be any more, with what has ended.
    pub lapsed: BTreeMap<ListenerId, String>,
    /// The processes that run it and were looked into.
    pub processes: BTreeSet<u32>,
    /// Processes that seem to run it and may not be looked into.
    pub hidden: BTreeSet<u32>,
}

impl Declaration {
    /// Whether every socket of its processes is known.
    fn is_seen(&self) -> bool {
        !self.processes.is_empty() && self.hidden.is_empty()
    }
}

/// Holds the live sockets against the declared ones.
#[must_use]
pub fn audit(given: &Given<'_>) -> Report {
    let mut report = Report {
        namespace: given.live.namespace,
        settings: given.live.settings.clone(),
        unseen: given.live.unseen.iter().cloned().map(Unseen::from).collect(),
        ..Report::default()
    };
    for declaration in given.declarations {
        for pid in &declaration.hidden {
            let what = format!(
                "a process seems to run {}, and this user may not look into it",
                declaration.file
            );
            report.unseen.push(Unseen { what, pid: Some(*pid) });
        }
        for parked in &declaration.plan.parked {
            report.notes.push(format!("waiting: {}: {}", parked.listener, parked.reason));
        }
        for omitted in &declaration.plan.omitted {
            report.notes.push(format!("left out: {}: {}", omitted.listener, omitted.reason));
        }
    }
    judge::judge(given, &mut report);
    path::judge(given, &mut report);
    report
}

#[cfg(test)]
mod tests;
