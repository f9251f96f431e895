//! Findings that somebody answers for: those that a file expects, and those that a grant lets pass.
//! They fail nothing, and an auditor wants to see them all the same.

use super::report::{Finding, in_repository, positions};
use crate::source::{Position, Source, Span};

/// A finding that somebody answers for.
#[derive(Debug)]
pub struct Accepted<'a> {
    /// The finding, or the one that there would be without the grant.
    pub finding: Finding<'a>,
    /// Who answers for it.
    pub acceptance: Acceptance<'a>,
}

/// Who answers for a finding, why, and where that is written.
#[derive(Debug, Clone)]
pub struct Acceptance<'a> {
    /// Who lets it pass.
    pub by: By<'a>,
    /// Why, in the words of its author.
    pub reason: Option<&'a str>,
    /// Who answers for it.
    pub owner: Option<&'a str>,
    /// The file that says so.
    pub source: &'a Source,
    /// Where in it.
    pub span: Span,
    /// The last day, UTC, on which it holds; `None` is no end.
    pub expires: Option<String>,
    /// How many days it has left; `None` is no end, or not known.
    pub days_left: Option<u32>,
}

/// Who lets a finding pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By<'a> {
    /// The service file itself, by an entry under `expect`.
    Expectation,
    /// A guardrail, by a grant.
    Grant {
        /// The guardrail.
        guardrail: &'a str,
        /// The grant.
        id: &'a str,
    },
}

impl Acceptance<'_> {
    /// Until when, in words that go behind a name.
    #[must_use]
    pub fn term(&self) -> String {
        match (&self.expires, self.days_left) {
            (None, _) => "without end".to_owned(),
            (Some(last), None) => format!("through {last}"),
            (Some(last), Some(1)) => format!("through {last}, 1 day left"),
            (Some(last), Some(days)) => format!("through {last}, {days} days left"),
        }
    }

    /// Where it is written.
    #[must_use]
    pub fn place(&self) -> (Position, Position) {
        positions(self.source, self.span)
    }

    /// The path of the file in which it is written, as a repository knows it.
    #[must_use]
    pub fn path(&self) -> &str {
        in_repository(self.source)
    }
}
