//! One look: what the files come to on this host, held against what is there.

use std::{collections::BTreeSet, io::Write as _, path::Path};

use super::{live, runs};
use crate::{
    audit::{self, Declaration, EphemeralUdp, Given, Report, Scope, lapse},
    cli::{Chain, Error, args, governed::Governed, host, read},
    compile::{self, Reading},
    diagnostic::{Diagnostic, human},
    exposure::Exposure,
    facts::Facts,
    plan::{self, Conflict, Plan},
    source::Source,
    supervisor::admin_sockets,
};

/// How often the sockets are read while processes that run a file come and go. Whose a socket is
/// would else be told by who ran the file a moment ago.
const READS: usize = 3;

/// Why a file comes to nothing that could be compared.
#[derive(Debug)]
pub(super) struct Refusal {
    /// It, in one line.
    pub(super) why: String,
    /// What is wrong with the file, as people read it on standard error; nothing if it could not
    /// be read.
    pub(super) findings: String,
}

/// What is compared, and what came of it.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) declarations: Vec<Declaration>,
    pub(super) report: Report,
}

/// The first look; none if files come to nothing, which is said.
pub(super) fn first(args: &args::Audit) -> Result<Option<Looked>, Error> {
    let facts = host()?;
    let mut declarations = Vec::new();
    for result in declare(args, &facts)? {
        match result {
            Ok(declaration) => declarations.push(declaration),
            Err(Refusal { why, findings }) => {
                writeln!(anstream::stderr(), "{findings}error: {why}")?;
            }
        }
    }
    if declarations.len() < args.files.len() {
        return Ok(None);
    }
    let report = hold(args, &facts, &mut declarations)?;
    Ok(Some(Looked { declarations, report }))
}

/// One more look. A file that comes to nothing any more is what it was, which the report says; the
/// refusals are returned as well.
pub(super) fn again(args: &args::Audit, looked: &mut Looked) -> Result<Vec<Refusal>, Error> {
    let facts = host()?;
    let mut refusals = Vec::new();
    match declare(args, &facts) {
        Ok(results) => {
            for (kept, result) in looked.declarations.iter_mut().zip(results) {
                match result {
                    Ok(declaration) => *kept = declaration,
                    Err(refusal) => refusals.push(refusal),
                }
            }
        }
        Err(error) => refusals.push(Refusal::of(&error)),
    }
    looked.report = hold(args, &facts, &mut looked.declarations)?;
    let unseen = refusals.iter().map(|it| format!("{}; what was read before is kept", it.why));
    looked.report.unseen.extend(unseen.map(Into::into));
    Ok(refusals)
}

/// What each file comes to on this host, in their order.
fn declare(args: &args::Audit, facts: &Facts) -> Result<Vec<Result<Declaration, Refusal>>, Error> {
    let governed = Governed::load(&args.governed)?;
    Ok(args.files.iter().map(|path| declared(path, facts, &governed)).collect())
}

/// Holds what is live against what is declared.
fn hold(
    args: &args::Audit,
    facts: &Facts,
    declarations: &mut [Declaration],
) -> Result<Report, Error> {
    let paths: BTreeSet<_> = declarations.iter().flat_map(paths).collect();
    let mut runs = runs::of(&args.files).map_err(Error::Processes)?;
    let mut live = live::read(facts, &paths).map_err(Error::Sockets)?;
    for _ in 1..READS {
        let now = runs::of(&args.files).map_err(Error::Processes)?;
        if now == runs {
            break;
        }
        runs = now;
        live = live::read(facts, &paths).map_err(Error::Sockets)?;
    }
    for (declaration, runs) in declarations.iter_mut().zip(runs) {
        declaration.processes = runs.seen;
        declaration.hidden = runs.hidden;
    }
    Ok(audit::audit(&Given {
        declarations,
        facts,
        live: &live,
        scope: if args.host { Scope::Host } else { Scope::Ours },
        ephemeral_udp: match args.udp_ephemeral {
            args::UdpEphemeral::Ignore => EphemeralUdp::Ignore,
            args::UdpEphemeral::Report => EphemeralUdp::Report,
        },
    }))
}

/// What a file comes to on this host, whatever rules it breaks.
fn declared(path: &Path, facts: &Facts, governed: &Governed) -> Result<Declaration, Refusal> {
    let file = path.display().to_string();
    let bytes = read(path).map_err(|error| Refusal::of(&error))?;
    let source = Source::from_bytes(&file, &bytes).map_err(|problem| {
        let finding = compile::unreadable(&problem);
        Refusal::by(&problem.shown, &[finding])
    })?;
    let reading = compile::read(&source).map_err(|findings| Refusal::by(&source, &findings))?;
    let Reading { policy, .. } = reading;
    let wrong = governed.files.iter().find(|file| file.is_wrong());
    if let Some(guardrail) = wrong {
        return Err(Refusal::by(&guardrail.source, &guardrail.findings));
    }
    let plan = plan::build::build(&policy, facts)
        .map_err(|conflicts| Refusal::unplanned(&file, conflicts))?;
    let exposure = Exposure::on(&policy, facts, Some(&plan));
    let lapsed = lapse::lapsed(&policy, &exposure, &governed.files, governed.today);
    let admin = admin_sockets(path, &policy.runtime)
        .map_err(|error| Refusal::of(&Error::Processes(error)))?;
    let (processes, hidden) = (BTreeSet::new(), BTreeSet::new());
    Ok(Declaration { file, policy, plan, admin, lapsed, processes, hidden })
}

impl Refusal {
    fn of(error: &Error) -> Self {
        Self { why: Chain(error).to_string(), findings: String::new() }
    }

    fn by(source: &Source, findings: &[Diagnostic]) -> Self {
        let mut shown = Vec::new();
        human::write(&mut shown, source, findings, true).expect("a vector takes everything");
        let path = source.path().escape_debug();
        let why = format!("cannot audit by `{path}`: it has no meaning to compare");
        Self { why, findings: String::from_utf8_lossy(&shown).into_owned() }
    }

    fn unplanned(file: &str, conflicts: Vec<Conflict>) -> Self {
        let line = |conflict: Conflict| {
            let (listener, cause) = (conflict.listener, conflict.cause.to_string());
            format!("error: {listener}: {}\n", cause.escape_debug())
        };
        let findings = conflicts.into_iter().map(line).collect();
        let file = file.escape_debug();
        Self { why: format!("cannot audit `{file}`: it has no plan on this host"), findings }
    }
}

/// The paths of declared sockets.
fn paths(declaration: &Declaration) -> impl Iterator<Item = &Path> {
    let Declaration { plan: Plan { binds, .. }, admin, .. } = declaration;
    let admin = admin.iter().map(|socket| socket.path.as_path());
    binds.keys().filter_map(|key| key.path()).chain(admin)
}
