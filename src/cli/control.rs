//! `status`, `reload`, `drain`, `upgrade`: what is asked of the running process, and how its
//! answers read.

mod status;

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Error, Exit, args, read};
use crate::{
    compile,
    policy::UnixSocket,
    supervisor::{
        admin::{
            client::{self, AskError},
            protocol::{Answer, Command, Draining, Finding, Rejection},
        },
        admin_sockets,
        upgrade::HAND_OVER,
    },
};

/// Time for a reload: a file is read and judged, and new sockets are bound.
const RELOAD: Duration = Duration::from_secs(60);

pub(super) fn status(args: &args::Status, out: &mut dyn Write) -> Result<Exit, Error> {
    let Answer::Status(report) = ask(&args.running, &Command::Status, Duration::ZERO)? else {
        return Err(unexpected());
    };
    match args.format {
        args::StatusFormat::Text => status::write(out, &report)?,
        args::StatusFormat::Json => {
            serde_json::to_writer_pretty(&mut *out, &report).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
    }
    Ok(Exit::Ok)
}

pub(super) fn reload(args: &args::Running, out: &mut dyn Write) -> Result<Exit, Error> {
    match ask(args, &Command::Reload, RELOAD)? {
        Answer::Reloaded { generation } => {
            writeln!(out, "the file is in force as generation {generation}")?;
            Ok(Exit::Ok)
        }
        Answer::Rejected(rejection) => {
            write_rejection(out, &rejection)?;
            Ok(Exit::Findings)
        }
        _ => Err(unexpected()),
    }
}

pub(super) fn drain(args: &args::Running, out: &mut dyn Write) -> Result<Exit, Error> {
    let Answer::Draining(draining) = ask(args, &Command::Drain, Duration::ZERO)? else {
        return Err(unexpected());
    };
    writeln!(out, "no more clients are taken; {}", left(draining))?;
    Ok(Exit::Ok)
}

pub(super) fn upgrade(args: &args::Upgrade, out: &mut dyn Write) -> Result<Exit, Error> {
    let within = args.within.get().min(HAND_OVER);
    let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
    let Answer::Upgraded { pid, draining } =
        ask(&args.running, &Command::Upgrade { within_ms }, within)?
    else {
        return Err(unexpected());
    };
    writeln!(out, "process {pid} serves; in the old one {}", left(draining))?;
    Ok(Exit::Ok)
}

/// Asks the process that is meant. A refusal is an error.
fn ask(running: &args::Running, command: &Command, within: Duration) -> Result<Answer, Error> {
    let paths = match (&running.socket, &running.file) {
        (Some(socket), _) => vec![socket.clone()],
        (None, Some(file)) => paths_of(file)?,
        (None, None) => Vec::new(),
    };
    let mut unreachable = None;
    for path in paths {
        match client::ask(&path, command, within) {
            Ok(Answer::Refused { reason }) => return Err(Error::Undone(reason)),
            // It may be in another of the places; the first is the one to tell of.
            Err(error @ AskError::Unreachable { .. }) => _ = unreachable.get_or_insert(error),
            answered => return Ok(answered?),
        }
    }
    Err(unreachable.map_or_else(
        || Error::Usage("the file says `admin: none`, so nobody can be asked".to_owned()),
        Error::Ask,
    ))
}

/// Where the process that runs a file may be asked. The file may be broken at the moment, and what
/// runs may be an older one; whatever can be read of it counts.
fn paths_of(file: &Path) -> Result<Vec<PathBuf>, Error> {
    let shown = file.display().to_string();
    let sockets = admin_sockets(file, &compile::runtime(&shown, &read(file)?));
    let paths = |sockets: Vec<UnixSocket>| sockets.into_iter().map(|socket| socket.path).collect();
    sockets.map(paths).map_err(|source| Error::Unreadable { path: shown, source })
}

fn unexpected() -> Error {
    Error::Undone("something else than was asked for".to_owned())
}

/// What is left in a process that drains.
fn left(draining: Draining) -> String {
    let within = Duration::from_millis(draining.within_ms);
    match draining.sessions {
        0 => "no session is left".to_owned(),
        1 => format!("one session has {within:?} to finish"),
        sessions => format!("{sessions} sessions have {within:?} to finish"),
    }
}

fn write_rejection(out: &mut dyn Write, rejection: &Rejection) -> Result<(), Error> {
    for finding in &rejection.findings {
        write_finding(out, finding)?;
    }
    let generation = rejection.generation;
    writeln!(
        out,
        "the file is not in force since {}; generation {generation} stays",
        rejection.at
    )?;
    Ok(())
}

fn write_finding(out: &mut dyn Write, finding: &Finding) -> Result<(), Error> {
    let Finding { level, code, message, place, notes, help } = finding;
    let code = code.as_ref().map(|code| format!("[{code}]")).unwrap_or_default();
    writeln!(out, "{level}{code}: {message}")?;
    if let Some(place) = place {
        writeln!(out, "  --> {place}")?;
    }
    for note in notes {
        writeln!(out, "  = {note}")?;
    }
    for help in help {
        writeln!(out, "help: {help}")?;
    }
    Ok(())
}
