//! The arguments.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// A declarative front listener: one file says where this host may be reached.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Bind, forward, and follow the file
    Run(Run),
    /// Say everything that is wrong with files; needs no root, network or host
    Check(Check),
    /// List the exact sockets of a file on this host, and what a reload would do
    Plan(Plan),
    /// Explain a finding's code
    Explain(Explain),
}

#[derive(Debug, ClapArgs)]
pub(super) struct Run {
    /// The service file
    pub(super) file: PathBuf,
    /// Accept port 0, a port of the kernel's choice, which the READY lines tell: for tests
    #[arg(long)]
    pub(super) allow_port_zero: bool,
    /// How the log on standard error is written
    #[arg(long, value_enum, default_value_t = Log::Text)]
    pub(super) log: Log,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Log {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Check {
    /// The service files
    #[arg(required = true)]
    pub(super) files: Vec<PathBuf>,
    /// How findings are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// The least level that makes the exit code 1
    #[arg(long, value_enum, default_value_t = FailOn::Error)]
    pub(super) fail_on: FailOn,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Format {
    /// For people
    Text,
    /// One JSON object
    Json,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum FailOn {
    /// Errors only
    Error,
    /// Warnings as well
    Warn,
    /// Everything
    Info,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Plan {
    /// The service file
    pub(super) file: PathBuf,
    /// A file that is in force, to compare with
    #[arg(long, value_name = "RUNNING")]
    pub(super) against: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Explain {
    /// A code such as PC0101; without it, all codes are listed
    pub(super) code: Option<String>,
    /// List the sensitive services instead, with the ports and sockets by which they are known
    #[arg(long, conflicts_with = "code")]
    pub(super) ports: bool,
}
