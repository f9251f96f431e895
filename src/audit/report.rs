//! What was found: a row for each declared port and path, and for each socket beyond.

use std::{collections::BTreeMap, fmt};

use super::{end::Transport, live::Held};

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The network namespace that was looked at.
    pub namespace: Option<u64>,
    /// Settings of the kernel that bear on who reaches what.
    pub settings: BTreeMap<String, String>,
    /// Files in order, then what no file declares.
    pub rows: Vec<Row>,
    /// What is declared and has no socket on purpose.
    pub notes: Vec<String>,
    /// Undeclared UDP sockets on ports of outgoing connections that were left out.
    pub ignored: usize,
    /// What could not be looked at.
    pub unseen: Vec<Unseen>,
}

/// Something that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// It, in words.
    pub what: String,
    /// The process that it is about, which has another number each time it starts.
    pub pid: Option<u32>,
}

/// What is declared for one port or path, and what is there.
#[derive(Debug, Clone)]
pub struct Row {
    /// The file that declares it, or whose process has it.
    pub file: Option<String>,
    /// The listener that it is declared for.
    pub listener: Option<String>,
    /// The kind of socket.
    pub kind: Kind,
    /// The port, of a socket of IP.
    pub port: Option<u16>,
    /// Where sockets are declared to be.
    pub declared: Vec<String>,
    /// Where they are.
    pub live: Vec<Seen>,
    /// What is the matter with it; nothing of a match.
    pub verdicts: Vec<Verdict>,
}

/// A kind of socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One of IP.
    Ip(Transport),
    /// One on a path.
    Path,
}

/// Sockets at one place that the same processes have.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Where.
    pub socket: String,
    /// How many; several share the place by SO_REUSEPORT.
    pub count: usize,
    /// Who has them.
    pub held: Held,
}

/// Something that is the matter.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// What.
    pub status: Status,
    /// More of it, line by line.
    pub says: Vec<String>,
}

/// How what is there compares with what is declared; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// More is taken than is declared.
    Wider,
    /// Nobody declares it.
    Undeclared,
    /// The host lets in what the socket's address would keep out.
    ExposedByHost,
    /// It is there, and another has it.
    Foreign,
    /// Another's socket takes a part of it.
    Shadowed,
    /// More in one place and less in another, or not as many sockets.
    Differs,
    /// Nobody lets it be any more.
    Lapsed,
    /// It is not there.
    Missing,
    /// Less is taken than is declared.
    Narrower,
    /// It could not be seen.
    Unknown,
    /// All is as declared.
    Match,
}

/// How an audit ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// What is live is what is declared.
    Equal,
    /// It is not: nothing that was not seen can change that.
    Drift,
    /// No drift was seen, but not everything was.
    Unseen,
}

/// What counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leniency {
    /// Whether less than is declared will do.
    pub allow_narrower: bool,
    /// Whether it will do to have seen what could be seen.
    pub best_effort: bool,
}

impl Status {
    /// All of them, the worst first.
    pub const ALL: [Self; 11] = [
        Self::Wider,
        Self::Undeclared,
        Self::ExposedByHost,
        Self::Foreign,
        Self::Shadowed,
        Self::Differs,
        Self::Lapsed,
        Self::Missing,
        Self::Narrower,
        Self::Unknown,
        Self::Match,
    ];

    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Wider => "wider",
            Self::Undeclared => "undeclared",
            Self::ExposedByHost => "exposed-by-host",
            Self::Foreign => "foreign",
            Self::Shadowed => "shadowed",
            Self::Differs => "differs",
            Self::Lapsed => "lapsed",
            Self::Missing => "missing",
            Self::Narrower => "narrower",
            Self::Unknown => "unknown",
            Self::Match => "match",
        }
    }

    /// Whether it is drift.
    #[must_use]
    pub fn is_drift(self, leniency: Leniency) -> bool {
        match self {
            Self::Match | Self::Unknown => false,
            Self::Narrower => !leniency.allow_narrower,
            _ => true,
        }
    }
}

impl Verdict {
    pub(super) fn of(status: Status, says: impl IntoIterator<Item = String>) -> Self {
        Self { status, says: says.into_iter().collect() }
    }
}

impl Row {
    /// The worst that is the matter with it.
    #[must_use]
    pub fn status(&self) -> Status {
        self.statuses().next().unwrap_or(Status::Match)
    }

    /// All that is the matter with it, in the order of its verdicts, which is from worst to least.
    pub fn statuses(&self) -> impl Iterator<Item = Status> {
        self.verdicts.iter().map(|verdict| verdict.status)
    }

    pub(super) fn sorted(mut self) -> Self {
        self.verdicts.sort_by_key(|verdict| verdict.status);
        self
    }
}

impl Report {
    /// How it ends. Drift outweighs what was not seen, because it is certain.
    #[must_use]
    pub fn outcome(&self, leniency: Leniency) -> Outcome {
        let mut all = self.rows.iter().flat_map(Row::statuses);
        if all.any(|status| status.is_drift(leniency)) {
            return Outcome::Drift;
        }
        if !self.is_whole() && !leniency.best_effort { Outcome::Unseen } else { Outcome::Equal }
    }

    /// Whether everything could be seen.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let mut all = self.rows.iter().flat_map(Row::statuses);
        self.unseen.is_empty() && all.all(|status| status != Status::Unknown)
    }

    /// How many rows there are of each status, without those that none has.
    #[must_use]
    pub fn counts(&self) -> Vec<(Status, usize)> {
        let count = |status| self.rows.iter().filter(|row| row.status() == status).count();
        let counts = Status::ALL.into_iter().map(|status| (status, count(status)));
        counts.filter(|(_, count)| *count > 0).collect()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl From<String> for Unseen {
    fn from(what: String) -> Self {
        Self { what, pid: None }
    }
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.pid.map_or(Ok(()), |pid| write!(f, " (pid {pid})"))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(transport) => transport.fmt(f),
            Self::Path => f.write_str("unix"),
        }
    }
}
