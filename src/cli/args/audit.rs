//! The arguments of `audit`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::Governed;

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Audit {
    /// The service files that run here
    #[arg(required_unless_present = "emit_declaration", conflicts_with = "emit_declaration")]
    pub(in crate::cli) files: Vec<PathBuf>,
    /// Judge the listening TCP sockets and unconnected UDP sockets of every process
    #[arg(long)]
    pub(in crate::cli) host: bool,
    #[command(flatten)]
    pub(in crate::cli) governed: Governed,
    /// How it is written
    #[arg(long, value_enum, default_value_t = AuditFormat::Text)]
    pub(in crate::cli) format: AuditFormat,
    /// Take less than is declared for no drift
    #[arg(long)]
    pub(in crate::cli) allow_narrower: bool,
    /// End with 0 where no drift was seen, though not everything was
    #[arg(long)]
    pub(in crate::cli) best_effort: bool,
    /// What becomes of undeclared UDP sockets on ports of outgoing connections
    #[arg(long, value_enum, default_value_t = UdpEphemeral::Report, value_name = "WHAT")]
    pub(in crate::cli) udp_ephemeral: UdpEphemeral,
    /// Write a first service file for what listens on this host, and judge nothing
    ///
    /// The file parses, and `check` refuses what is public or on every address until somebody
    /// signs. Where a service would be forwarded to cannot be seen from its socket, so each is
    /// forwarded to a path socket that does not exist: no connection ends up at a wrong service, or
    /// at the listener itself.
    #[arg(long, conflicts_with_all = ["host", "format", "allow_narrower", "udp_ephemeral"])]
    pub(in crate::cli) emit_declaration: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum AuditFormat {
    /// For people
    Text,
    /// One JSON object
    Json,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum UdpEphemeral {
    /// They are counted: most are clients that wait for an answer
    Ignore,
    /// They are undeclared
    Report,
}
