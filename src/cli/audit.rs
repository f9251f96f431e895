//! `audit FILE…`: what listens on this host, held against what is declared.

mod live;
mod look;
mod runs;

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use super::{Error, Exit, args, host};
use crate::audit::{
    Report, first_file, json,
    report::{Leniency, Outcome},
    text,
};

pub(super) fn audit(args: &args::Audit, out: &mut dyn Write) -> Result<Exit, Error> {
    if args.emit_declaration {
        return emit(args, out);
    }
    let Some(report) = look::first(args)? else { return Ok(Exit::CannotJudge) };
    write_report(args, &report, out)?;
    Ok(exit(args, &report))
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

fn write_report(args: &args::Audit, report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let leniency = leniency(args);
    match args.format {
        args::AuditFormat::Text => write!(out, "{}", text::render(report, leniency)),
        args::AuditFormat::Json => {
            let form = json::form(report, leniency, exit(args, report) as u8);
            serde_json::to_writer_pretty(&mut *out, &form)?;
            writeln!(out)
        }
    }
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
