//! What guardrails have to do with the output of a command: their findings, and who let what pass.

use std::io::{self, Write};

use super::{Error, Judged, args, today};
use crate::{
    address::Date,
    compile::Compiled,
    diagnostic::{
        Diagnostic,
        accepted::{Acceptance, By},
        human,
    },
    lint::{Approval, Suppressed},
    policy::{Allow, Expiry, Policy, governance::GuardrailFile},
    source::Source,
    supervisor::guardrails,
};

/// The guardrails in force, and the day on which they are.
pub(super) struct Governed {
    pub(super) files: Vec<GuardrailFile>,
    pub(super) today: Date,
}

impl Governed {
    pub(super) fn load(args: &args::Governed) -> Result<Self, Error> {
        let files = guardrails::load(&args.guardrails)?;
        Ok(Self { files, today: args.now.unwrap_or_else(today) })
    }

    /// The guardrails, if there are any.
    pub(super) fn in_force(&self) -> Option<&[GuardrailFile]> {
        Some(self.files.as_slice()).filter(|files| !files.is_empty())
    }

    /// What somebody answers for in a file: what it expects, and what is granted.
    pub(super) fn accepted<'a>(
        &'a self,
        source: &'a Source,
        compiled: &'a Compiled,
    ) -> Vec<(&'a Diagnostic, Acceptance<'a>)> {
        let expected = compiled.suppressed.iter().map(|one| {
            let acceptance = Acceptance {
                by: By::Expectation,
                reason: Some(&one.reason),
                owner: one.owner.as_deref(),
                source,
                span: one.span,
                expires: one.expires.map(|last| last.to_string()),
                days_left: one.expires.and_then(|last| self.today.days_until(last)),
            };
            (&one.finding, acceptance)
        });
        let granted = compiled.approvals.iter().filter_map(|one| {
            let guardrail = self.files.iter().find(|file| file.name() == one.guardrail)?;
            let acceptance = Acceptance {
                by: By::Grant { guardrail: &one.guardrail, id: &one.grant },
                reason: one.reason.as_deref(),
                owner: one.owner.as_deref(),
                source: &guardrail.source,
                span: one.span,
                expires: one.expires.map(|last| last.to_string()),
                days_left: one.days_left,
            };
            Some((&one.finding, acceptance))
        });
        expected.chain(granted).collect()
    }

    /// Each guardrail with what was found in it beside all of these files, every finding once.
    pub(super) fn findings<'a>(
        &'a self,
        judged: &[&Judged],
    ) -> Vec<(&'a GuardrailFile, Vec<Diagnostic>)> {
        let found = |at: usize| {
            let mut findings: Vec<Diagnostic> = Vec::new();
            for one in judged.iter().filter_map(|judged| judged.compiled.of_guardrails.get(at)) {
                for finding in one {
                    if !findings.contains(finding) {
                        findings.push(finding.clone());
                    }
                }
            }
            crate::diagnostic::sort(&mut findings);
            findings
        };
        self.files.iter().enumerate().map(|(at, file)| (file, found(at))).collect()
    }
}

/// Writes the findings of guardrails as people read them.
pub(super) fn write_findings(
    out: &mut dyn Write,
    of_guardrails: &[(&GuardrailFile, Vec<Diagnostic>)],
) -> Result<(), Error> {
    for (file, findings) in of_guardrails {
        human::write(out, &file.source, findings, true)?;
    }
    Ok(())
}

/// Writes who let what pass, and what was expected.
pub(super) fn write_lines(
    out: &mut dyn Write,
    path: &str,
    compiled: &Compiled,
    files: &[GuardrailFile],
) -> io::Result<()> {
    match &compiled.policy {
        Some(policy) if files.is_empty() => self_approved(out, path, policy)?,
        _ => {}
    }
    for file in files {
        let name = shown(file.name());
        let mut approvals =
            compiled.approvals.iter().filter(|one| one.guardrail == file.name()).peekable();
        if approvals.peek().is_none() && compiled.policy.is_some() {
            writeln!(out, "governance: {name}: {path}: nothing needs a grant")?;
        }
        for Approval { listener, grant, days_left, .. } in approvals {
            let left = match days_left {
                None => "without end".to_owned(),
                Some(1) => "1 day left".to_owned(),
                Some(days) => format!("{days} days left"),
            };
            let grant = shown(grant);
            writeln!(out, "governance: {name}: {path}: {listener}: grant {grant}, {left}")?;
        }
    }
    for Suppressed { finding, reason, .. } in &compiled.suppressed {
        let (code, reason) = (finding.code, shown(reason));
        let listener = finding.listener.as_deref().unwrap_or("-");
        writeln!(out, "expected: {path}: {listener}: {code}: {reason}")?;
    }
    Ok(())
}

/// The words of an author: a control character in them must not reach a terminal.
fn shown(text: &str) -> String {
    text.escape_debug().to_string()
}

/// Who signed for what is wide. Without a guardrail nobody but the file itself did, and that is
/// said.
fn self_approved(out: &mut dyn Write, path: &str, policy: &Policy) -> io::Result<()> {
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
    shown(&parts.join(", "))
}
