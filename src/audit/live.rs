//! The live sockets of a network namespace as data.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use super::end::End;

/// Every socket that anybody may connect or send to, and what the host makes of them.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// The network namespace, by its number.
    pub namespace: Option<u64>,
    /// Listening TCP sockets, and UDP sockets without a peer.
    pub sockets: Vec<Socket>,
    /// What is at the declared paths.
    pub paths: BTreeMap<PathBuf, PathSight>,
    /// Listening path sockets that are at none of them, by the name that they were bound to.
    pub other_paths: Vec<(PathBuf, Held)>,
    /// The interfaces besides `lo` that let packets for 127.0.0.0/8 in (`route_localnet`).
    pub route_localnet: Vec<String>,
    /// Settings of the kernel that bear on who reaches what, by name.
    pub settings: BTreeMap<String, String>,
    /// What could not be looked at, in words.
    pub unseen: Vec<String>,
}

/// A socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Where it is bound.
    pub end: End,
    /// Who has it.
    pub held: Held,
}

/// Who has a socket.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// The user who made it, by name or else number; nobody tells of a path socket.
    pub user: Option<String>,
    /// The processes in sight that have a descriptor of it.
    pub processes: Vec<Process>,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its name, which it may have chosen itself.
    pub name: String,
    /// The program that it runs, if that may be known.
    pub program: Option<String>,
}

/// What is at a declared path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathSight {
    /// Nothing.
    Absent,
    /// It could not be looked at; why.
    Unseen(String),
    /// A file.
    File(PathFile),
}

/// The file of a path socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathFile {
    /// Its permission bits.
    pub mode: u32,
    /// Its user.
    pub owner: Account,
    /// Its group.
    pub group: Account,
    /// Who has the socket that listens there; `None` if none does.
    pub listens: Option<Held>,
}

/// A user or group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub id: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
}

impl Account {
    /// Whether it is meant by what a file says.
    #[must_use]
    pub fn is(&self, wrote: &str) -> bool {
        self.name.as_deref() == Some(wrote) || wrote == self.id.to_string()
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => name.fmt(f),
            None => self.id.fmt(f),
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {}", self.name, self.pid)?;
        if let Some(program) = &self.program {
            write!(f, ", {program}")?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.processes.is_empty() {
            f.write_str("a process out of sight")?;
        }
        for (at, process) in self.processes.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{process}")?;
        }
        self.user.as_ref().map_or(Ok(()), |user| write!(f, ", user {user}"))
    }
}
