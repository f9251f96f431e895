//! What the file says of the process, and not of what it exposes.

use std::{num::NonZeroU16, path::PathBuf, time::Duration};

use super::UnixSocket;

/// The process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runtime {
    /// Worker threads; `None` is one per core.
    pub workers: Option<NonZeroU16>,
    /// Who serves, where the program is started as root.
    pub account: Option<Account>,
    /// How long the sessions of a listener that stops may go on.
    pub drain: Duration,
    /// Whether a bind whose address the host lacks is parked rather than failed.
    pub wait_for_absent: bool,
    /// A line per session.
    pub access_log: Option<AccessLog>,
    /// The socket by which the process is told and asked.
    pub admin: Admin,
}

/// A user and a group, each by name or number. Nothing is claimed about whether the host has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: String,
    /// The group, unless it is the user's own.
    pub group: Option<String>,
}

/// The socket by which the process is told and asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Admin {
    /// One in the runtime directory, for the user of the process alone.
    #[default]
    Private,
    /// None.
    None,
    /// This one.
    At(UnixSocket),
}

/// A line per session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// JSON rather than text.
    pub json: bool,
    /// A path, or standard output.
    pub path: Option<PathBuf>,
}
