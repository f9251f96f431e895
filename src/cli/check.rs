//! `check FILE…`: everything that is wrong with files, without a host.

use std::io::Write;

use super::{Error, Exit, Judged, args, judge, today, write_findings};
use crate::{
    compile::Given,
    diagnostic::{Code, Level, json},
    lint,
    policy::{Allow, Expiry, Policy},
};

pub(super) fn check(args: &args::Check, out: &mut dyn Write) -> Result<Exit, Error> {
    let given = Given { facts: None, today: today(), allow_port_zero: false };
    let judged =
        args.files.iter().map(|path| judge(path, &given)).collect::<Result<Vec<_>, _>>()?;
    let fail_on = match args.fail_on {
        args::FailOn::Error => Level::Error,
        args::FailOn::Warn => Level::Warn,
        args::FailOn::Info => Level::Info,
    };
    let mut findings = judged.iter().flat_map(|judged| &judged.compiled.findings);
    let exit =
        if findings.any(|finding| finding.level >= fail_on) { Exit::Findings } else { Exit::Ok };
    match args.format {
        args::Format::Text => text(out, &judged)?,
        args::Format::Json => {
            let files =
                judged.iter().map(|judged| (&judged.source, judged.compiled.findings.as_slice()));
            let name = |code: Code| lint::rule(code.0).map_or("", |rule| rule.name);
            let report = json::report(exit as u8, &files.collect::<Vec<_>>(), name);
            serde_json::to_writer_pretty(&mut *out, &report).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
    }
    Ok(exit)
}

fn text(out: &mut dyn Write, judged: &[Judged]) -> Result<(), Error> {
    for judged in judged {
        write_findings(out, judged)?;
    }
    for Judged { source, compiled } in judged {
        if let Some(policy) = &compiled.policy {
            governance(out, source.path(), policy)?;
        }
        for unjudged in &compiled.unjudged {
            let (path, listener) = (source.path(), &unjudged.listener);
            writeln!(
                out,
                "only the host can answer: {path}: {listener}: {} ({})",
                unjudged.question, unjudged.code
            )?;
        }
    }
    let count = |level: fn(Level) -> bool| {
        let findings = judged.iter().flat_map(|judged| &judged.compiled.findings);
        findings.filter(|finding| level(finding.level)).count()
    };
    let listeners: usize = judged.iter().map(|judged| judged.compiled.listeners).sum();
    writeln!(
        out,
        "check: {}, {} in {}; {}",
        number(count(Level::refuses), "error"),
        number(count(|level| level == Level::Warn), "warning"),
        number(judged.len(), "file"),
        number(listeners, "listener"),
    )?;
    Ok(())
}

/// Who signed for what is wide. Without a guardrail nobody but the file itself did, and that is
/// said.
fn governance(out: &mut dyn Write, path: &str, policy: &Policy) -> Result<(), Error> {
    for listener in policy.listeners.values() {
        if let Some(allow) = &listener.allow {
            writeln!(
                out,
                "governance: self-approved: {path}: {}: {}",
                listener.id,
                signature(allow)
            )?;
        }
    }
    Ok(())
}

fn signature(allow: &Allow) -> String {
    let mut parts = vec![allow.reason.clone()];
    parts.extend(allow.owner.as_ref().map(|owner| format!("owner {owner}")));
    parts.extend(allow.ticket.as_ref().map(|ticket| format!("ticket {ticket}")));
    parts.extend(
        allow.grant.as_ref().map(|grant| format!("grant {grant}, which no guardrail confirms")),
    );
    parts.push(match &allow.expires {
        Expiry::Never => "never expires".to_owned(),
        Expiry::On(day) => format!("through {day}"),
        Expiry::Malformed => "expired".to_owned(),
    });
    // A signature is the author's own words; a control character in them must not reach a terminal.
    parts.join(", ").escape_debug().to_string()
}

fn number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
