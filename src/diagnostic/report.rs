//! What a check has to say, ready for any of the formats: every file, what was found in it, and the
//! rules.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{
    Code, Diagnostic, Label, Level,
    accepted::{Acceptance, Accepted},
    baseline::Hidden,
    fingerprint::{Fingerprints, sha256},
    harmless::harmless,
};
use crate::source::{Position, Source, Span};

/// What a check has to say. Having one tells you that every finding has its fingerprint.
#[derive(Debug)]
pub struct Report<'a> {
    /// The code that the program ends with.
    pub exit: u8,
    /// The least level that fails the check.
    pub fail_on: Level,
    /// Every rule there is, by code, whether or not it fired.
    pub rules: &'a [Page],
    /// The files that were judged, in the order given.
    pub files: Vec<File<'a>>,
    /// What else was read to judge them, such as the facts of a host.
    pub others: Vec<Input>,
    /// What a baseline has hidden, if one was given.
    pub hidden: Option<Hidden>,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// What it is to the check: `service`, `facts`, `baseline`.
    pub kind: &'static str,
    /// The path under which it is shown.
    pub path: String,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
}

impl Input {
    /// The file of these bytes.
    #[must_use]
    pub fn new(kind: &'static str, path: impl Into<String>, bytes: &[u8]) -> Self {
        Self { kind, path: path.into(), sha256: sha256(bytes) }
    }
}

/// A file that was judged.
#[derive(Debug)]
pub struct File<'a> {
    /// What was read.
    pub input: Input,
    /// Its text, for positions.
    pub source: &'a Source,
    /// The names of its listeners, as far as they could be read.
    pub listeners: &'a [String],
    /// What is wrong with it, by position.
    pub findings: Vec<Finding<'a>>,
    /// What somebody answers for.
    pub accepted: Vec<Accepted<'a>>,
    /// What is claimed of it.
    pub claims: Vec<Claim>,
}

/// A claim of who reaches what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// What it is called; a finding about it has the same in [`Diagnostic::claim`].
    pub title: String,
    /// Whether the file has something that it speaks of.
    pub concerns: bool,
}

impl<'a> File<'a> {
    /// The file with all that was found in it.
    #[must_use]
    pub fn new(
        input: Input,
        source: &'a Source,
        listeners: &'a [String],
        findings: &'a [Diagnostic],
    ) -> Self {
        let mut prints = Fingerprints::default();
        let findings =
            findings.iter().map(|diagnostic| Finding::new(source, diagnostic, &mut prints));
        let findings = findings.collect();
        let (accepted, claims) = (Vec::new(), Vec::new());
        Self { findings, input, source, listeners, accepted, claims }
    }

    /// With what somebody answers for. Each has the fingerprint that it would have as a finding.
    #[must_use]
    pub fn accept(
        mut self,
        accepted: impl IntoIterator<Item = (&'a Diagnostic, Acceptance<'a>)>,
    ) -> Self {
        let mut prints = Fingerprints::default();
        let accepted = accepted.into_iter().map(|(diagnostic, acceptance)| Accepted {
            finding: Finding::new(self.source, diagnostic, &mut prints),
            acceptance,
        });
        self.accepted = accepted.collect();
        self
    }

    /// With what is claimed of it.
    #[must_use]
    pub fn claim(mut self, claims: impl IntoIterator<Item = Claim>) -> Self {
        self.claims = claims.into_iter().collect();
        self
    }

    /// What is accepted and not found all the same, as what one guardrail grants and another does
    /// not.
    pub fn only_accepted(&self) -> impl Iterator<Item = &Accepted<'a>> {
        let found: BTreeSet<_> =
            self.findings.iter().map(|finding| finding.fingerprint.as_str()).collect();
        self.accepted.iter().filter(move |one| !found.contains(one.finding.fingerprint.as_str()))
    }

    /// The path as a repository knows it.
    #[must_use]
    pub fn path(&self) -> &str {
        in_repository(self.source)
    }
}

/// The path of a file as a repository knows it: without `./` before it.
pub(super) fn in_repository(source: &Source) -> &str {
    let path = source.path();
    path.strip_prefix("./").unwrap_or(path)
}

/// A finding in its file.
#[derive(Debug)]
pub struct Finding<'a> {
    /// The finding.
    pub diagnostic: &'a Diagnostic,
    /// Its name, which stays the same when lines move.
    pub fingerprint: String,
    /// Where its place begins.
    pub start: Position,
    /// One past the last character of its place.
    pub end: Position,
    /// What to write at its place instead, where that has exactly one spelling and changes nobody's
    /// reach.
    pub fix: Option<String>,
}

impl<'a> Finding<'a> {
    fn new(source: &Source, diagnostic: &'a Diagnostic, prints: &mut Fingerprints) -> Self {
        let (start, end) = positions(source, diagnostic.primary.span);
        let fingerprint = prints.take(source, diagnostic);
        Self { diagnostic, fingerprint, start, end, fix: None }
    }

    /// All its words, a line each, none of which a terminal would act on: the message, the words
    /// beside the place, notes, cures.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let Diagnostic { message, primary: Label { text, .. }, notes, help, .. } = self.diagnostic;
        let label = (!text.is_empty()).then_some(text);
        let mut lines: Vec<_> =
            std::iter::once(message).chain(label).map(|line| harmless(line).into_owned()).collect();
        lines.extend(notes.iter().map(|note| format!("note: {}", harmless(note))));
        lines.extend(help.iter().map(|help| format!("help: {}", harmless(help))));
        lines
    }
}

/// A rule as an emitter shows it.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Its permanent code.
    pub code: Code,
    /// Its name, which reads after "allow".
    pub name: &'static str,
    /// What its findings weigh unless somebody says otherwise.
    pub level: Level,
    /// What it is about, in one word.
    pub group: &'static str,
    /// What it does, why, and what to write instead, as Markdown.
    pub text: &'static str,
}

impl Page {
    /// What the rule does, in a paragraph: the one that the page begins with.
    #[must_use]
    pub fn summary(&self) -> String {
        let lines = self.text.lines().skip_while(|line| line.starts_with('#') || line.is_empty());
        lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

impl<'a> Report<'a> {
    /// Every finding with its file, in the order of the files and of their lines.
    pub fn findings(&self) -> impl Iterator<Item = (&File<'a>, &Finding<'a>)> {
        self.files.iter().flat_map(|file| file.findings.iter().map(move |finding| (file, finding)))
    }

    /// The same, the worst ones first.
    #[must_use]
    pub fn worst_first(&self) -> Vec<(&File<'a>, &Finding<'a>)> {
        let mut findings: Vec<_> = self.findings().collect();
        findings.sort_by_key(|(_, finding)| Reverse(finding.diagnostic.level));
        findings
    }

    /// Where the rule stands among [`rules`](Self::rules).
    #[must_use]
    pub fn rule(&self, code: Code) -> Option<usize> {
        self.rules.binary_search_by_key(&code, |page| page.code).ok()
    }

    /// The rule's name.
    #[must_use]
    pub fn name(&self, code: Code) -> &'static str {
        self.rule(code).map_or("", |at| self.rules[at].name)
    }

    /// How many findings there are of which this holds.
    pub fn count(&self, of: impl Fn(Level) -> bool) -> usize {
        self.findings().filter(|(_, finding)| of(finding.diagnostic.level)).count()
    }
}

/// A place of a file in lines and columns.
#[must_use]
pub(super) fn positions(source: &Source, span: Span) -> (Position, Position) {
    (source.position(span.start as usize), source.position(span.end as usize))
}
