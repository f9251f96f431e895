//! A finding as plain data: code, level, message, where, and what to do. Rendering is below.

pub mod accepted;
pub mod baseline;
pub mod github;
pub mod gitlab;
pub mod human;
pub mod json;
pub mod junit;
pub mod report;
pub mod sarif;
pub(crate) mod text;

mod fingerprint;
mod harmless;
mod pretty;

use std::fmt;

use crate::source::Span;

/// A rule's permanent code, such as `PC0101`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// How much a finding weighs. `Error` and above fail a check and keep a file from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Probably a mistake.
    Warn,
    /// Will not run.
    Error,
    /// Will not run, and no service file can lower it.
    Forbid,
}

impl Level {
    /// Whether a file with such a finding is refused.
    #[must_use]
    pub fn refuses(self) -> bool {
        self >= Self::Error
    }

    /// The word that people read. In JSON a warning is `warn`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warning",
            Self::Error | Self::Forbid => "error",
        }
    }
}

/// A place in the file and what is to be said of it; the text may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What, in a few words.
    pub text: String,
}

/// One finding. It cannot be built without a place to point at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which rule found it.
    pub code: Code,
    /// How much it weighs.
    pub level: Level,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The place at fault.
    pub primary: Label,
    /// Other places that matter, such as the first of two twins.
    pub related: Vec<Label>,
    /// What to do about it; each one imperative sentence.
    pub help: Vec<String>,
    /// Facts that explain it.
    pub notes: Vec<String>,
    /// The listener it is about, if any.
    pub listener: Option<String>,
    /// The claim it is about, if any, as [`Claim`](report::Claim) writes it.
    pub claim: Option<String>,
}

impl Diagnostic {
    /// A finding of level [`Level::Error`] at `span`.
    #[must_use]
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            level: Level::Error,
            message: message.into(),
            primary: Label { span, text: String::new() },
            related: Vec::new(),
            help: Vec::new(),
            notes: Vec::new(),
            listener: None,
            claim: None,
        }
    }

    /// With this level.
    #[must_use]
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// With words beside the underlined place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// With another place that matters.
    #[must_use]
    pub fn related(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push(Label { span, text: text.into() });
        self
    }

    /// With a cure.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// With a fact that explains it.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// About this listener.
    #[must_use]
    pub fn listener(mut self, name: impl Into<String>) -> Self {
        self.listener = Some(name.into());
        self
    }
}

/// Sorts findings by position, then by code, so that output never depends on the order of rules.
pub fn sort(findings: &mut [Diagnostic]) {
    findings.sort_by(|a, b| {
        (a.primary.span, a.code, &a.message).cmp(&(b.primary.span, b.code, &b.message))
    });
}
