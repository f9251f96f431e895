//! The command line: the only module that prints and decides exit codes.

mod args;
mod audit;
mod binder;
mod check;
mod control;
mod diff;
mod explain;
mod facts;
mod governed;
mod plan;
mod run;
mod schema;
mod show;
mod table;
mod whole_file;

use std::{
    fmt,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use clap::Parser as _;

use crate::{
    compile::{self, Compiled, Given},
    diagnostic::{baseline, human, report::Input},
    facts::{Facts, file},
    source::{MAX_BYTES, Source},
    supervisor::{Failure, admin::client::AskError, guardrails::Unread, today},
};

/// How a command ended, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Nothing to object to.
    Ok = 0,
    /// There are findings.
    Findings = 1,
    /// The command line is wrong. clap uses the same number.
    Usage = 2,
    /// What was to be judged could not be read.
    CannotJudge = 3,
    /// The file was accepted, and then the start failed.
    Failed = 4,
    /// `diff --detailed-exitcode`: something changes, and nothing of it needs an approval.
    Approved = 10,
    /// The same, of what nobody has approved: more flows.
    Widening = 11,
    /// More flows here, fewer there.
    Mixed = 12,
    /// Another backend, or a control that holds less.
    Loosening = 13,
    /// It depends on the host.
    Unknown = 14,
    /// Nothing but who may approve what.
    Governance = 15,
}

/// Why a command gave up.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// A file could not be read.
    #[error("cannot read `{}`", path.escape_debug())]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file could not be written; what was there before still is.
    #[error("cannot write `{}`", path.escape_debug())]
    Unwritable {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold a host's facts.
    #[error("cannot use `{}` as the facts of a host", path.escape_debug())]
    Facts {
        /// Which.
        path: String,
        /// Why.
        source: file::Error,
    },
    /// A baseline is none.
    #[error("cannot use `{}` as a baseline", path.escape_debug())]
    Baseline {
        /// Which.
        path: String,
        /// Why.
        source: baseline::Error,
    },
    /// Arguments that do not go together.
    #[error("{0}")]
    Usage(String),
    /// The host could not be asked.
    #[error("cannot read this host's addresses")]
    Host(#[source] io::Error),
    /// The kernel does not tell its sockets.
    #[error("cannot read this host's sockets")]
    Sockets(#[source] io::Error),
    /// The processes of this host cannot be listed.
    #[error("cannot read this host's processes")]
    Processes(#[source] io::Error),
    /// Nothing would end a watch, or wake it.
    #[error("cannot wait for signals and for changes of this host")]
    Watch(#[source] io::Error),
    /// A guardrail could not be read.
    #[error(transparent)]
    Ungoverned(#[from] Unread),
    /// There is no such rule.
    #[error("there is no rule `{0}`; `portcullis explain` lists them all")]
    NoRule(String),
    /// The running process could not be asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// It has not done what it was asked.
    #[error("the running process says: {0}")]
    Undone(String),
    /// How this program could be started again is not known.
    #[error("cannot find the file of this program")]
    Program(#[source] io::Error),
    /// The process could not start to serve.
    #[error(transparent)]
    Start(#[from] Failure),
    /// Standard output is gone; whoever closed it wants no more.
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Unreadable { .. }
            | Self::Baseline { .. }
            | Self::Facts { .. }
            | Self::Host(_)
            | Self::Sockets(_)
            | Self::Processes(_)
            | Self::Ungoverned(_) => Exit::CannotJudge,
            Self::NoRule(_) | Self::Usage(_) => Exit::Usage,
            Self::Unwritable { .. } | Self::Watch(_) => Exit::Failed,
            Self::Start(Failure::Refused) => Exit::Findings,
            Self::Start(Failure::Unreadable { .. } | Failure::Ungoverned(_)) => Exit::CannotJudge,
            Self::Start(
                Failure::Unbound
                | Failure::Held(_)
                | Failure::TakeOver(_)
                | Failure::TooFewDescriptors(_)
                | Failure::NoAccount(_)
                | Failure::SetUp { .. },
            ) => Exit::Failed,
            Self::Program(_) | Self::Undone(_) => Exit::Failed,
            Self::Ask(_) => Exit::CannotJudge,
            Self::Output(_) => Exit::Failed,
        }
    }

    /// Whether it has yet to be said: the findings of a refused file have been shown already.
    fn is_news(&self) -> bool {
        !matches!(self, Self::Start(Failure::Refused))
    }
}

/// Runs the command that the arguments ask for.
#[must_use]
pub fn main() -> ExitCode {
    let args = args::Args::parse();
    let mut out = UntilClosed(anstream::AutoStream::auto(io::stdout().lock()));
    let result = match args.command {
        args::Command::Check(args) => check::check(&args, &mut out),
        args::Command::Diff(args) => diff::diff(&args, &mut out),
        args::Command::Show(args) => show::show(&args, &mut out),
        args::Command::Plan(args) => plan::plan(&args, &mut out),
        args::Command::Audit(args) => audit::audit(&args, &mut out),
        args::Command::Explain(args) => explain::explain(&args, &mut out),
        args::Command::Facts => facts::facts(&mut out),
        args::Command::Schema(args) => schema::schema(&args, &mut out),
        args::Command::Status(args) => control::status(&args, &mut out),
        args::Command::Reload(args) => control::reload(&args, &mut out),
        args::Command::Drain(args) => control::drain(&args, &mut out),
        args::Command::Upgrade(args) => control::upgrade(&args, &mut out),
        args::Command::Run(args) => {
            drop(out);
            run::run(args)
        }
        args::Command::Binder(args) => {
            drop(out);
            binder::binder(args)
        }
    };
    let exit = result.unwrap_or_else(|error| {
        if error.is_news() {
            // Nobody is left to tell when standard error is closed as well.
            drop(writeln!(io::stderr(), "error: {}", Chain(&error)));
        }
        error.exit()
    });
    ExitCode::from(exit as u8)
}

/// An error with everything that is behind it.
struct Chain<'a>(&'a Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        let mut source = std::error::Error::source(self.0);
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

/// An output that goes nowhere once its reader has closed the pipe. Whoever does that wants no
/// more, and it changes nothing about what was found, so the exit code stays what it is.
struct UntilClosed<W>(W);

impl<W: Write> Write for UntilClosed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            flushed => flushed,
        }
    }
}

/// A file and what became of it.
struct Judged {
    input: Input,
    source: Source,
    compiled: Compiled,
}

/// Reads and judges a file.
fn judge(path: &Path, given: &Given<'_>) -> Result<Judged, Error> {
    judge_by(path, |source| compile::compile(source, given))
}

/// Reads a file and judges it in this way.
fn judge_by(path: &Path, compile: impl Fn(&Source) -> Compiled) -> Result<Judged, Error> {
    let shown = path.display().to_string();
    let bytes = read(path)?;
    let input = Input::new("service", &shown, &bytes);
    let (source, compiled) = compile::read_bytes(&shown, &bytes, compile);
    Ok(Judged { input, source, compiled })
}

/// Reads a file, and no more of it than could be judged.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let limit = MAX_BYTES as u64 + 1;
    std::fs::File::open(path)
        .and_then(|file| io::Read::read_to_end(&mut io::Read::take(file, limit), &mut bytes))
        .map_err(|source| Error::Unreadable { path: path.display().to_string(), source })?;
    Ok(bytes)
}

/// This host, asked now.
fn host() -> Result<Facts, Error> {
    crate::facts::live::read().map_err(Error::Host)
}

/// Writes findings as people read them. Colours pass through `out`, which knows whether they are
/// wanted.
fn write_findings(out: &mut dyn Write, judged: &Judged) -> Result<(), Error> {
    Ok(human::write(out, &judged.source, &judged.compiled.findings, true)?)
}
