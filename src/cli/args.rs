//! The arguments.

mod audit;
mod binder;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::{address::Date, config::Duration, policy::claim, supervisor::upgrade::TakeOver};

pub(super) use self::{
    audit::{Audit, AuditFormat, UdpEphemeral},
    binder::Binder,
};

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
    /// Bind for the process that has started this one
    #[command(hide = true)]
    Binder(Binder),
    /// Say everything that is wrong with files; needs no root, network or host
    Check(Check),
    /// Say what a change makes reachable, from where, and to which backend
    Diff(Diff),
    /// Show who can reach what, as a table or a picture
    Show(Show),
    /// List the exact sockets of a file on this host, and what a reload would do
    Plan(Plan),
    /// Hold what listens on this host against what files declare
    ///
    /// Asks the kernel for the sockets of this network namespace and compares what they take with
    /// what the files declare. Each declared port or path is a row, and so is each socket beyond.
    ///
    /// A row is `match`; `wider`: it takes more, such as an IPv6 socket that takes IPv4 as well, or
    /// one that is tied to no interface; `narrower`; `differs`; `missing`; `foreign`: another
    /// process has it; `shadowed`: another's socket takes a part of it; `exposed-by-host`:
    /// route_localnet lets others at loopback; `undeclared`; `lapsed`: what allowed it has ended;
    /// or `unknown`: whose it is cannot be seen.
    ///
    /// A process is taken for a file's own when it runs this very program and was started to `run`
    /// that file. Only root sees the descriptors of other users' processes.
    ///
    /// Ends with 0 if all is as declared, 1 if it is not, 3 if that could not be seen. What listens
    /// for less time than an audit takes is not seen at all; firewalls and address translation are
    /// not looked at.
    Audit(Audit),
    /// Explain a finding's code
    Explain(Explain),
    /// Print this host's addresses and settings, for `check --facts` elsewhere
    Facts,
    /// Print the JSON Schema of the service file, for editors
    Schema(Schema),
    /// Say what the running process serves: sockets, sessions, what is pending or was rejected
    Status(Status),
    /// Have the running process look at its file now, and say what came of it
    Reload(Running),
    /// Have the running process take no more clients, let those that are in finish, and end
    Drain(Running),
    /// Have the running process start its program anew and hand it the sockets
    Upgrade(Upgrade),
}

#[derive(Debug, ClapArgs)]
pub(super) struct Run {
    /// The service file
    pub(super) file: PathBuf,
    /// Accept port 0, a port of the kernel's choice, which the READY lines tell: for tests
    #[arg(long)]
    pub(super) allow_port_zero: bool,
    /// A file of limits that others set; it may be given several times, and each has to be
    /// satisfied
    #[arg(long, value_name = "FILE")]
    pub(super) guardrails: Vec<PathBuf>,
    /// How the log on standard error is written
    #[arg(long, value_enum, default_value_t = Log::Text)]
    pub(super) log: Log,
    /// Take the sockets of the running process over, which answers at this admin socket; `-` is
    /// for a process that `upgrade` has started
    #[arg(long, value_name = "SOCKET", value_parser = take_over)]
    pub(super) takeover: Option<TakeOver>,
}

fn take_over(text: &str) -> Result<TakeOver, &'static str> {
    match text {
        "" => Err("name the admin socket of the running process"),
        "-" => Ok(TakeOver::Parent),
        path => Ok(TakeOver::At(path.into())),
    }
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
    #[command(flatten)]
    pub(super) governed: Governed,
    /// How findings are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// A host to judge the files for, as `portcullis facts` prints it; several hosts may be given
    #[arg(long, value_name = "HOST")]
    pub(super) facts: Vec<PathBuf>,
    /// Write findings to a file as well; may be given several times
    #[arg(long, value_name = "FORMAT=PATH", value_parser = output)]
    pub(super) out: Vec<Output>,
    /// A report of earlier (`--format json`); what it has is not shown again
    #[arg(long, value_name = "REPORT")]
    pub(super) baseline: Option<PathBuf>,
    /// Leave out of reports for programs what is expected or granted: code scanning of GitHub shows
    /// it like what is open
    #[arg(long)]
    pub(super) omit_accepted: bool,
    /// The least level that makes the exit code 1
    #[arg(long, value_enum, default_value_t = FailOn::Error)]
    pub(super) fail_on: FailOn,
    /// Repair what has exactly one cure that changes nobody's reach, in the files themselves
    #[arg(long)]
    pub(super) fix: bool,
    /// End with 0 where findings would make it 1
    #[arg(long)]
    pub(super) exit_zero: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Text,
    /// One JSON object
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of a GitHub workflow, and the step's summary
    Github,
    /// A code quality report of GitLab
    Gitlab,
    /// JUnit XML, a case for every listener and group of rules, and for every claim
    Junit,
}

/// A file that findings are written to.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub(super) format: Format,
    pub(super) path: PathBuf,
}

fn output(text: &str) -> Result<Output, String> {
    let (format, path) =
        text.split_once('=').ok_or("write FORMAT=PATH, such as sarif=out.sarif")?;
    if path.is_empty() {
        return Err(format!("`{format}=` names no file"));
    }
    Ok(Output { format: Format::from_str(format, false)?, path: path.into() })
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
pub(super) struct Diff {
    /// The file that is in force and the one that is proposed; with `--git` the latter alone
    #[arg(required = true, num_args = 1..=2, value_names = ["OLD", "NEW"])]
    pub(super) files: Vec<PathBuf>,
    /// Read the old file from this revision of the repository that the file is in
    #[arg(long, value_name = "REV")]
    pub(super) git: Option<String>,
    #[command(flatten)]
    pub(super) governed: Governed,
    /// A file of limits as it is in force, to say what changes in those of `--guardrails`
    #[arg(long, value_name = "FILE", requires = "guardrails")]
    pub(super) old_guardrails: Vec<PathBuf>,
    /// What may keep clients away besides the kernel and the lists of clients
    #[arg(long, value_enum, default_value_t = Assume::All)]
    pub(super) assume: Assume,
    /// How it is written
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    pub(super) format: DiffFormat,
    /// End with 0 where the change would make it 1
    #[arg(long)]
    pub(super) exit_zero: bool,
    /// End with 0 for no change and 10 for one that needs no approval, else, the worst first, with
    /// 11 for widening, 12 for mixed, 13 for retarget or weakening, 14 for unknown, 15 for
    /// governance only
    #[arg(long, conflicts_with = "exit_zero")]
    pub(super) detailed_exitcode: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Assume {
    /// The network around the host, as the assumptions A1 to A3 have it
    All,
    /// Nothing
    None,
}

impl From<Assume> for claim::Assume {
    fn from(assume: Assume) -> Self {
        match assume {
            Assume::All => Self::All,
            Assume::None => Self::None,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum DiffFormat {
    /// For people
    Text,
    /// For a comment under a pull request; of bounded size
    Markdown,
    /// One JSON object
    Json,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Show {
    /// The service file
    pub(super) file: PathBuf,
    /// A file that is in force: what is new is marked
    #[arg(long, value_name = "OLD")]
    pub(super) against: Option<PathBuf>,
    #[command(flatten)]
    pub(super) governed: Governed,
    /// What these clients reach, a block or an address
    #[arg(long, value_name = "CIDR")]
    pub(super) from: Option<String>,
    /// How it is written
    #[arg(long, value_enum, default_value_t = ShowFormat::Text)]
    pub(super) format: ShowFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ShowFormat {
    /// A table
    Text,
    /// One JSON object
    Json,
    /// A flow chart for pages that draw Mermaid
    Mermaid,
    /// A picture
    Svg,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Plan {
    /// The service file
    pub(super) file: PathBuf,
    /// A file that is in force, to compare with
    #[arg(long, value_name = "RUNNING")]
    pub(super) against: Option<PathBuf>,
    #[command(flatten)]
    pub(super) governed: Governed,
}

/// What a file is held against besides itself.
#[derive(Debug, ClapArgs)]
pub(super) struct Governed {
    /// A file of limits that others set; it may be given several times, and each has to be
    /// satisfied
    #[arg(long, value_name = "FILE")]
    pub(super) guardrails: Vec<PathBuf>,
    /// The day, UTC, on which exceptions are held against their end: for tests
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    pub(super) now: Option<Date>,
}

fn day(text: &str) -> Result<Date, &'static str> {
    Date::read(text).ok_or("a day is written YYYY-MM-DD")
}

#[derive(Debug, ClapArgs)]
pub(super) struct Schema {
    /// That of the guardrail file instead
    #[arg(long)]
    pub(super) guardrails: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Explain {
    /// A code such as PC0101; without it, all codes are listed
    pub(super) code: Option<String>,
    /// List the sensitive services instead, with the ports and sockets by which they are known
    #[arg(long, conflicts_with = "code")]
    pub(super) ports: bool,
}

/// Which running process is meant.
#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = false)]
pub(super) struct Running {
    /// The service file that it runs
    pub(super) file: Option<PathBuf>,
    /// Its admin socket
    #[arg(long, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Status {
    #[command(flatten)]
    pub(super) running: Running,
    /// How it is written
    #[arg(long, value_enum, default_value_t = StatusFormat::Text)]
    pub(super) format: StatusFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum StatusFormat {
    /// For people
    Text,
    /// One JSON object
    Json,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Upgrade {
    #[command(flatten)]
    pub(super) running: Running,
    /// How long the new process may take until it serves; never more than a minute
    #[arg(long, value_name = "DURATION", default_value = "1m")]
    pub(super) within: Duration,
}
