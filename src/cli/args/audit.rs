//! The arguments of `audit`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::Governed;
use crate::config::Duration;

/// A look takes a part of that itself where there are many processes.
const SHORTEST: std::time::Duration = std::time::Duration::from_secs(1);

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
    /// Go on until SIGINT or SIGTERM, and tell what changes
    ///
    /// It looks at once, whenever addresses or interfaces change, and every so often (`--every`).
    /// The first report is whole; then each row that comes, goes, or gets another status is a line
    /// with the time, UTC, and what is as before says nothing. A process that was started again, or
    /// has handed its sockets over, is as before.
    ///
    /// What listens for less time than lies between two looks is not seen.
    ///
    /// The files and the guardrails are read again for each look. One that cannot be read, is
    /// refused, or has no plan on this host any more is told, and what was read before is kept.
    ///
    /// It ends with the code of the last look, which `timeout --preserve-status 60 portcullis audit
    /// --watch …` passes on. It also ends when nobody reads its output any more.
    #[arg(long, conflicts_with = "emit_declaration")]
    pub(in crate::cli) watch: bool,
    /// The time from one look of `--watch` to the next, a second or more; what listens for less is
    /// not seen
    #[arg(long, requires = "watch", value_parser = every, default_value = "10s")]
    #[arg(value_name = "DURATION")]
    pub(in crate::cli) every: Duration,
    /// Write gauges to a file after each look, as the textfile collector of Prometheus' node
    /// exporter reads them from one that ends with `.prom`
    ///
    /// They are `portcullis_audit_rows` of each status,
    /// `portcullis_audit_last_look_timestamp_seconds` and `portcullis_audit_exit_code`. The file is
    /// replaced as a whole.
    #[arg(long, value_name = "PATH", conflicts_with = "emit_declaration")]
    pub(in crate::cli) textfile: Option<PathBuf>,
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
    /// One JSON object; with `--watch` one a line, first the report and then each change
    Json,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum UdpEphemeral {
    /// They are counted: most are clients that wait for an answer
    Ignore,
    /// They are undeclared
    Report,
}

fn every(text: &str) -> Result<Duration, String> {
    let every: Duration = text.parse()?;
    if every.get() < SHORTEST {
        return Err("a look takes time itself: write `1s` or more".to_owned());
    }
    Ok(every)
}
