//! `audit FILE…`: what listens on this host, held against what is declared.

mod live;
mod look;
mod runs;
mod watch;

use std::{
    collections::BTreeSet,
    io::{self, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use self::look::Looked;
use super::{Error, Exit, args, host, whole_file};
use crate::audit::{
    Report, first_file, gauges, json,
    report::{Leniency, Outcome},
    text,
};

pub(super) fn audit(args: &args::Audit, out: &mut dyn Write) -> Result<Exit, Error> {
    if args.emit_declaration {
        return emit(args, out);
    }
    if args.watch {
        return watch::watch(args, out);
    }
    let Some(Looked { report, .. }) = look::first(args)? else { return Ok(Exit::CannotJudge) };
    tell(args, &report, out)
}

/// Writes a whole report, and returns how the look that it is of has ended.
fn tell(args: &args::Audit, report: &Report, out: &mut dyn Write) -> Result<Exit, Error> {
    let (leniency, exit) = (leniency(args), exit(args, report));
    match args.format {
        args::AuditFormat::Text => write!(out, "{}", text::render(report, leniency))?,
        args::AuditFormat::Json => {
            let form = json::form(report, leniency, exit as u8);
            // More objects follow in a watch, each on its line.
            let written = if args.watch {
                serde_json::to_writer(&mut *out, &form)
            } else {
                serde_json::to_writer_pretty(&mut *out, &form)
            };
            written.map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    write_gauges(args, report, exit)?;
    Ok(exit)
}

/// Writes a first file for this host, and what could not be seen where nobody takes it for a part
/// of the file.
fn emit(args: &args::Audit, out: &mut dyn Write) -> Result<Exit, Error> {
    let facts = host()?;
    let live = live::read(&facts, &BTreeSet::new()).map_err(Error::Sockets)?;
    let mut errors = anstream::stderr();
    for unseen in &live.unseen {
        writeln!(errors, "unseen: {unseen}")?;
    }
    let Some(text) = first_file::write(&live, &facts) else {
        writeln!(errors, "error: nothing listens here that could be declared")?;
        return Ok(Exit::CannotJudge);
    };
    write!(out, "{text}")?;
    Ok(if live.unseen.is_empty() || args.best_effort { Exit::Ok } else { Exit::CannotJudge })
}

/// Writes the gauges where they are wanted, all at once: they may be collected at any time.
fn write_gauges(args: &args::Audit, report: &Report, exit: Exit) -> Result<(), Error> {
    let Some(path) = &args.textfile else { return Ok(()) };
    let since_1970 = now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let text = gauges::render(report, exit as u8, since_1970);
    whole_file::write(path, text.as_bytes())
        .map_err(|source| Error::Unwritable { path: path.display().to_string(), source })
}

#[expect(clippy::disallowed_methods, reason = "here time comes in")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn leniency(args: &args::Audit) -> Leniency {
    Leniency { allow_narrower: args.allow_narrower, best_effort: args.best_effort }
}

fn exit(args: &args::Audit, report: &Report) -> Exit {
    match report.outcome(leniency(args)) {
        Outcome::Equal => Exit::Ok,
        Outcome::Drift => Exit::Findings,
        Outcome::Unseen => Exit::CannotJudge,
    }
}
