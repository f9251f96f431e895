//! `audit FILE…`: what listens on this host, held against what is declared.

mod live;
mod runs;

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::Path,
};

use super::{Error, Exit, args, governed::Governed, host, read};
use crate::{
    audit::{
        self, Declaration, EphemeralUdp, Given, Scope, first_file, json, lapse,
        report::{Leniency, Outcome},
        text,
    },
    compile::{self, Reading},
    diagnostic::{Diagnostic, human},
    exposure::Exposure,
    facts::Facts,
    plan::{self, Plan},
    source::Source,
    supervisor::admin_sockets,
};

pub(super) fn audit(args: &args::Audit, out: &mut dyn Write) -> Result<Exit, Error> {
    let facts = host()?;
    if args.emit_declaration {
        return emit(args, &facts, out);
    }
    let governed = Governed::load(&args.governed)?;
    let mut declarations = Vec::new();
    for path in &args.files {
        declarations.extend(declared(path, &facts, &governed)?);
    }
    if declarations.len() < args.files.len() {
        return Ok(Exit::CannotJudge);
    }
    let runs = runs::of(&args.files).map_err(Error::Processes)?;
    for (declaration, runs) in declarations.iter_mut().zip(runs) {
        declaration.processes = runs.seen;
        declaration.hidden = runs.hidden;
    }
    let paths: BTreeSet<_> = declarations.iter().flat_map(paths).collect();
    let live = live::read(&facts, &paths).map_err(Error::Sockets)?;
    let report = audit::audit(&Given {
        declarations: &declarations,
        facts: &facts,
        live: &live,
        scope: if args.host { Scope::Host } else { Scope::Ours },
        ephemeral_udp: match args.udp_ephemeral {
            args::UdpEphemeral::Ignore => EphemeralUdp::Ignore,
            args::UdpEphemeral::Report => EphemeralUdp::Report,
        },
    });
    let leniency = Leniency { allow_narrower: args.allow_narrower, best_effort: args.best_effort };
    let exit = match report.outcome(leniency) {
        Outcome::Equal => Exit::Ok,
        Outcome::Drift => Exit::Findings,
        Outcome::Unseen => Exit::CannotJudge,
    };
    match args.format {
        args::AuditFormat::Text => write!(out, "{}", text::render(&report, leniency))?,
        args::AuditFormat::Json => {
            serde_json::to_writer_pretty(&mut *out, &json::form(&report, leniency, exit as u8))
                .map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    Ok(exit)
}

/// Writes a first file for this host, and what could not be seen where nobody takes it for a part
/// of the file.
fn emit(args: &args::Audit, facts: &Facts, out: &mut dyn Write) -> Result<Exit, Error> {
    let live = live::read(facts, &BTreeSet::new()).map_err(Error::Sockets)?;
    let mut errors = anstream::stderr();
    for unseen in &live.unseen {
        writeln!(errors, "unseen: {unseen}")?;
    }
    let Some(text) = first_file::write(&live, facts) else {
        writeln!(errors, "error: nothing listens here that could be declared")?;
        return Ok(Exit::CannotJudge);
    };
    write!(out, "{text}")?;
    Ok(if live.unseen.is_empty() || args.best_effort { Exit::Ok } else { Exit::CannotJudge })
}

/// What a file comes to on this host, whatever rules it breaks; else says why it comes to nothing.
fn declared(path: &Path, facts: &Facts, governed: &Governed) -> Result<Option<Declaration>, Error> {
    let file = path.display().to_string();
    let source = match Source::from_bytes(&file, &read(path)?) {
        Ok(source) => source,
        Err(problem) => {
            let finding = compile::unreadable(&problem);
            return refused(&problem.shown, &[finding]);
        }
    };
    let Reading { policy, .. } = match compile::read(&source) {
        Ok(reading) => reading,
        Err(findings) => return refused(&source, &findings),
    };
    let wrong = governed.files.iter().find(|file| file.is_wrong());
    if let Some(guardrail) = wrong {
        return refused(&guardrail.source, &guardrail.findings);
    }
    let plan = match plan::build::build(&policy, facts) {
        Ok(plan) => plan,
        Err(conflicts) => {
            let mut errors = anstream::stderr();
            for conflict in conflicts {
                let (listener, cause) = (conflict.listener, conflict.cause.to_string());
                writeln!(errors, "error: {listener}: {}", cause.escape_debug())?;
            }
            let file = file.escape_debug();
            writeln!(errors, "error: cannot audit `{file}`: it has no plan on this host")?;
            return Ok(None);
        }
    };
    let exposure = Exposure::on(&policy, facts, Some(&plan));
    let lapsed = lapse::lapsed(&policy, &exposure, &governed.files, governed.today);
    let admin = admin_sockets(path, &policy.runtime).map_err(Error::Processes)?;
    let (processes, hidden) = (BTreeSet::new(), BTreeSet::new());
    Ok(Some(Declaration { file, policy, plan, admin, lapsed, processes, hidden }))
}

fn refused(source: &Source, findings: &[Diagnostic]) -> Result<Option<Declaration>, Error> {
    let mut errors = anstream::stderr();
    human::write(&mut errors, source, findings, true)?;
    let path = source.path().escape_debug();
    writeln!(errors, "error: cannot audit by `{path}`: it has no meaning to compare")?;
    Ok(None)
}

/// The paths of declared sockets.
fn paths(declaration: &Declaration) -> impl Iterator<Item = &Path> {
    let Declaration { plan: Plan { binds, .. }, admin, .. } = declaration;
    let admin = admin.iter().map(|socket| socket.path.as_path());
    binds.keys().filter_map(|key| key.path()).chain(admin)
}
