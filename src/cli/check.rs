//! `check FILE…`: everything that is wrong with files, without a host.

mod baseline;
mod fix;
mod hosts;
mod output;

use std::io::{self, Write};

use super::{
    Error, Exit, Judged, args,
    governed::{self, Governed},
    judge_by,
};
use crate::{
    compile::{
        Given,
        fix::{Edit, edits},
        fleet::compile_for,
    },
    diagnostic::{
        Code, Diagnostic, Level,
        baseline::Hidden,
        human,
        report::{Claim, File, Input, Page, Report},
    },
    lint,
    policy::governance::GuardrailFile,
    source::Source,
};

pub(super) fn check(args: &args::Check, out: &mut dyn Write) -> Result<Exit, Error> {
    output::refuse_clashes(args)?;
    let governed = Governed::load(&args.governed)?;
    let given = Given {
        facts: None,
        guardrails: &governed.files,
        running: None,
        today: governed.today,
        allow_port_zero: false,
    };
    let (hosts, others) = hosts::hosts(&args.facts)?;
    let compile = |source: &Source| compile_for(source, &given, &hosts);
    if args.fix {
        args.files.iter().try_for_each(|path| fix::fix(path, &compile))?;
    }
    let judged =
        args.files.iter().map(|path| judge_by(path, compile)).collect::<Result<Vec<_>, _>>()?;
    let rules = rules();
    let repairs: Vec<_> =
        judged.iter().map(|one| edits(&one.source, &one.compiled.findings, &compile)).collect();
    let of_guardrails = governed.findings(&judged.iter().collect::<Vec<_>>());
    let mut report = report(args, &judged, &governed, &rules);
    mark_repairs(&mut report, &repairs);
    report.files.extend(of_guardrails.iter().map(|(file, findings)| {
        let bytes = file.source.text().as_bytes();
        let input = Input::new("guardrail", file.source.path(), bytes);
        File::new(input, &file.source, &[], findings)
    }));
    report.others = others;
    if let Some(path) = &args.baseline {
        baseline::hide(path, &mut report)?;
    }
    let fails = report.count(|level| level >= report.fail_on) > 0;
    let exit = if fails && !args.exit_zero { Exit::Findings } else { Exit::Ok };
    report.exit = exit as u8;
    output::write(args, out, &report, &|out| text(out, &judged, &governed.files, &report))?;
    Ok(exit)
}

fn report<'a>(
    args: &args::Check,
    judged: &'a [Judged],
    governed: &'a Governed,
    rules: &'a [Page],
) -> Report<'a> {
    let files = judged.iter().map(|Judged { input, source, compiled }| {
        let file = File::new(input.clone(), source, &compiled.listeners, &compiled.findings);
        let claims = compiled.claims.iter();
        let claims = claims.map(|claim| Claim { title: claim.title(), concerns: claim.concerns });
        let file = file.claim(claims);
        if args.omit_accepted { file } else { file.accept(governed.accepted(source, compiled)) }
    });
    Report {
        exit: Exit::Ok as u8,
        fail_on: match args.fail_on {
            args::FailOn::Error => Level::Error,
            args::FailOn::Warn => Level::Warn,
            args::FailOn::Info => Level::Info,
        },
        rules,
        files: files.collect(),
        others: Vec::new(),
        hidden: None,
    }
}

/// Says of the findings that have one what their repair is.
fn mark_repairs(report: &mut Report<'_>, repairs: &[Vec<Edit>]) {
    for (file, repairs) in report.files.iter_mut().zip(repairs) {
        for finding in &mut file.findings {
            let place = (finding.diagnostic.code, finding.diagnostic.primary.span);
            let repair = repairs.iter().find(|edit| (edit.code, edit.span) == place);
            finding.fix = repair.map(|edit| edit.new.clone());
        }
    }
}

/// Every rule as the formats show it.
fn rules() -> Vec<Page> {
    let page = |rule: &&lint::Rule| Page {
        code: Code(rule.code),
        name: rule.name,
        level: rule.level,
        group: rule.group.word(),
        text: rule.page,
    };
    lint::ALL.iter().map(page).collect()
}

/// What people read. Colours pass through `out`, which knows whether they are wanted.
fn text(
    out: &mut dyn Write,
    judged: &[Judged],
    guardrails: &[GuardrailFile],
    report: &Report<'_>,
) -> io::Result<()> {
    for file in &report.files {
        let findings: Vec<Diagnostic> =
            file.findings.iter().map(|finding| finding.diagnostic.clone()).collect();
        human::write(out, file.source, &findings, true)?;
    }
    for Judged { source, compiled, .. } in judged {
        governed::write_lines(out, source.path(), compiled, guardrails)?;
        for unjudged in &compiled.unjudged {
            let (path, listener) = (source.path(), &unjudged.listener);
            writeln!(
                out,
                "only the host can answer: {path}: {listener}: {} ({})",
                unjudged.question, unjudged.code
            )?;
        }
    }
    if let Some(Hidden { hidden, forbidden, gone }) = report.hidden {
        writeln!(out, "baseline: {} hidden, {gone} of it gone", number(hidden, "known finding"))?;
        if forbidden > 0 {
            writeln!(out, "baseline: {forbidden} stay, because what is forbidden is never hidden")?;
        }
    }
    let listeners: usize = judged.iter().map(|judged| judged.compiled.listeners.len()).sum();
    // Where they fail the check, a line that counts none of them would say that nothing did.
    let infos = report.count(|level| level == Level::Info);
    let fails = infos > 0 && report.fail_on == Level::Info;
    writeln!(
        out,
        "check: {}, {}{} in {}; {}",
        number(report.count(Level::refuses), "error"),
        number(report.count(|level| level == Level::Warn), "warning"),
        if fails { format!(", {infos} info") } else { String::new() },
        number(judged.len(), "file"),
        number(listeners, "listener"),
    )
}

fn number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
