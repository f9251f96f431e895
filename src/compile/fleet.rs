//! One file judged for several hosts: what holds everywhere is said once, and what does not says
//! where.

use std::collections::HashMap;

use super::{Compiled, Given, compile};
use crate::{
    diagnostic::{self, Code, Diagnostic},
    facts::Facts,
    lint::Suppressed,
    source::{Source, Span},
};

/// A host by the name that findings use for it.
#[derive(Debug)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// What is known of it.
    pub facts: Facts,
}

/// Judges a file for every host; for none in particular where there is none. The policy is there
/// when it is fit for all of them; the plan, which is of one host, only where there is one.
#[must_use]
pub fn compile_for(source: &Source, given: &Given<'_>, hosts: &[Host]) -> Compiled {
    let Some((first, others)) = hosts.split_first() else { return compile(source, given) };
    let on = |host: &Host| compile(source, &Given { facts: Some(&host.facts), ..*given });
    let mut all = on(first);
    let mut union = Union::default();
    union.add(std::mem::take(&mut all.findings), &first.name);
    let mut of_guardrails: Vec<Union<'_>> = Vec::new();
    for findings in std::mem::take(&mut all.of_guardrails) {
        let mut union = Union::default();
        union.add(findings, &first.name);
        of_guardrails.push(union);
    }
    for host in others {
        let one = on(host);
        union.add(one.findings, &host.name);
        for (union, findings) in of_guardrails.iter_mut().zip(one.of_guardrails) {
            union.add(findings, &host.name);
        }
        all.suppressed.extend(one.suppressed);
        all.approvals.extend(one.approvals);
        all.unjudged.extend(one.unjudged);
        all.policy = all.policy.filter(|_| one.policy.is_some());
        all.plan = None;
    }
    all.unjudged.sort();
    all.unjudged.dedup();
    all.approvals.sort_by(|a, b| a.key().cmp(&b.key()));
    all.approvals.dedup_by(|a, b| a.key() == b.key());
    let key = |one: &Suppressed| (one.finding.listener.clone(), one.finding.code);
    all.suppressed.sort_by_key(key);
    all.suppressed.dedup_by_key(|one| key(one));
    all.findings = union.into_findings(hosts);
    all.of_guardrails = of_guardrails.into_iter().map(|one| one.into_findings(hosts)).collect();
    all
}

/// The findings of several hosts, each with the hosts that have it.
#[derive(Default)]
struct Union<'h> {
    findings: Vec<(Diagnostic, Vec<&'h str>)>,
    /// Where to look for a finding's equal.
    index: HashMap<(Code, Span), Vec<usize>>,
}

impl<'h> Union<'h> {
    fn add(&mut self, findings: Vec<Diagnostic>, host: &'h str) {
        for finding in findings {
            let alike = self.index.entry((finding.code, finding.primary.span)).or_default();
            match alike.iter().find(|at| self.findings[**at].0 == finding) {
                Some(at) => self.findings[*at].1.push(host),
                None => {
                    alike.push(self.findings.len());
                    self.findings.push((finding, vec![host]));
                }
            }
        }
    }

    /// In order; a finding that is not made everywhere says where it is.
    fn into_findings(self, hosts: &'h [Host]) -> Vec<Diagnostic> {
        let mut findings: Vec<_> = self
            .findings
            .into_iter()
            .map(
                |(finding, on)| {
                    if on.len() == hosts.len() { finding } else { finding.note(only(&on, hosts)) }
                },
            )
            .collect();
        diagnostic::sort(&mut findings);
        findings
    }
}

fn only(on: &[&str], hosts: &[Host]) -> String {
    let quoted = |name: &str| format!("`{name}`");
    let others = hosts.iter().map(|host| host.name.as_str()).filter(|name| !on.contains(name));
    let (on, others): (Vec<_>, Vec<_>) =
        (on.iter().copied().map(quoted).collect(), others.map(quoted).collect());
    format!("on {}, and not on {}", on.join(", "), others.join(", "))
}
