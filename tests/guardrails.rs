//! Limits that others set: what a grant holds, when it ends, and that one more guardrail only
//! narrows.

mod claims;
mod command;
mod grants;
mod inert;
mod narrowing;
mod running;
mod terms;

use std::collections::BTreeSet;

use portcullis::{
    address::Date,
    compile::{Compiled, Given, compile, guardrail},
    diagnostic::{Diagnostic, human},
    facts::Facts,
    policy::{Policy, governance::GuardrailFile},
    source::Source,
};

/// The day on which the tests are.
const TODAY: &str = "2026-11-22";

/// A file under guardrails.
struct Case {
    source: Source,
    guardrails: Vec<GuardrailFile>,
    compiled: Compiled,
}

impl Case {
    fn of(guardrails: &[&str], text: &str) -> Self {
        Self::on(TODAY, None, guardrails, text)
    }

    fn on(day: &str, facts: Option<&Facts>, guardrails: &[&str], text: &str) -> Self {
        Self::judged(day, facts, None, guardrails, text)
    }

    fn judged(
        day: &str,
        facts: Option<&Facts>,
        running: Option<&Policy>,
        guardrails: &[&str],
        text: &str,
    ) -> Self {
        let read = |(at, text): (usize, &&str)| guardrail(&format!("{at}.yaml"), text.as_bytes());
        let guardrails: Vec<_> = guardrails.iter().enumerate().map(read).collect();
        let source = Source::from_bytes("portcullis.yaml", text.as_bytes()).unwrap();
        let today = Date::read(day).unwrap();
        let given =
            Given { facts, guardrails: &guardrails, running, today, allow_port_zero: false };
        let compiled = compile(&source, &given);
        Self { source, guardrails, compiled }
    }

    /// A change of what runs, under guardrails as they are now.
    fn change(running: &Self, guardrails: &[&str], text: &str) -> Self {
        Self::judged(TODAY, None, running.compiled.policy.as_ref(), guardrails, text)
    }

    fn findings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.compiled.findings.iter().chain(self.compiled.of_guardrails.iter().flatten())
    }

    fn codes(&self) -> BTreeSet<&'static str> {
        self.findings().map(|finding| finding.code.0).collect()
    }

    fn is_accepted(&self) -> bool {
        self.compiled.policy.is_some()
    }

    /// Everything as people read it.
    fn rendered(&self) -> String {
        let mut out = Vec::new();
        human::write(&mut out, &self.source, &self.compiled.findings, false).unwrap();
        for (file, findings) in self.guardrails.iter().zip(&self.compiled.of_guardrails) {
            human::write(&mut out, &file.source, findings, false).unwrap();
        }
        String::from_utf8(out).unwrap()
    }
}
