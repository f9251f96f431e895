//! A guardrail file with its text: what findings about it point into.

use super::Guardrail;
use crate::{
    config::guardrail::{self as written, parse},
    diagnostic::Diagnostic,
    policy::resolve,
    source::Source,
};

/// One guardrail file. Having one tells you nothing of its findings: one that is wrong is held
/// against a service file all the same, and refuses it.
#[derive(Debug)]
pub struct GuardrailFile {
    /// Its text.
    pub source: Source,
    /// What was written, as far as it could be read.
    pub written: written::Guardrail,
    /// What it means, as far as that could be told.
    pub meaning: Guardrail,
    /// What is wrong with it by itself.
    pub findings: Vec<Diagnostic>,
    /// How whoever is held to it could change it; asked by the one who is to run under it.
    pub writable: Option<String>,
}

impl GuardrailFile {
    /// Reads a file.
    #[must_use]
    pub fn read(source: Source) -> Self {
        let (written, mut findings) = parse(&source);
        let written = written.unwrap_or_default();
        // Of a file that is no mapping nothing more can be said.
        let known = written.portcullis_guardrails.span().is_some() || findings.is_empty();
        let (meaning, unresolved) = resolve::guardrail(&written);
        if known || !findings.iter().any(|finding| finding.level.refuses()) {
            findings.extend(unresolved);
        }
        crate::diagnostic::sort(&mut findings);
        Self { source, written, meaning, findings, writable: None }
    }

    /// A file that is no text.
    #[must_use]
    pub fn unreadable(source: Source, finding: Diagnostic) -> Self {
        let (written, meaning) = Default::default();
        Self { source, written, meaning, findings: vec![finding], writable: None }
    }

    /// Whether it refuses every file for being wrong itself.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        self.findings.iter().any(|finding| finding.level.refuses())
    }

    /// What it is called: its name, or its path where it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.meaning.name.is_empty() { self.source.path() } else { &self.meaning.name }
    }

    /// What was written of the grant of this id.
    #[must_use]
    pub fn grant(&self, id: &str) -> Option<&written::Grant> {
        let mut grants = self.written.exceptions.get()?.grants.get()?.iter();
        grants.find(|grant| grant.value.id.get().is_some_and(|own| own == id)).map(|one| &one.value)
    }
}
