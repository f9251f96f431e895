//! The findings made while a file is read: each once, and not without end.

use std::{cell::RefCell, collections::HashSet};

use super::code;
use crate::{
    diagnostic::{Code, Diagnostic, sort},
    source::Span,
};

/// How many findings are kept. Nobody reads more, and a hostile file of 16 MiB could cause
/// millions.
pub const MAX_FINDINGS: usize = 1000;

/// Collects findings. Shared by everything that reads one file, hence the inner mutability.
#[derive(Debug, Default)]
pub(super) struct Findings {
    kept: RefCell<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    findings: Vec<Diagnostic>,
    /// What was found where: a value that several aliases stand for is reported once.
    seen: HashSet<(Code, Span)>,
}

impl Findings {
    /// Whether nothing more is kept, so that the making of a finding can be saved.
    pub(super) fn is_full(&self) -> bool {
        self.kept.borrow().findings.len() > MAX_FINDINGS
    }

    pub(super) fn push(&self, finding: Diagnostic) {
        if self.is_full() {
            return;
        }
        let mut kept = self.kept.borrow_mut();
        if kept.seen.insert((finding.code, finding.primary.span)) {
            kept.findings.push(finding);
        }
    }

    /// All of them in the order of the file; the one too many is replaced by a word about the rest.
    pub(super) fn into_sorted(self) -> Vec<Diagnostic> {
        let mut findings = self.kept.into_inner().findings;
        if findings.len() > MAX_FINDINGS
            && let Some(last) = findings.pop()
        {
            let message = format!("more than {MAX_FINDINGS} findings, the others are left out");
            let rest = Diagnostic::error(code::LIMIT_EXCEEDED, last.primary.span, message);
            findings.push(rest.help("repair the ones that are shown first"));
        }
        sort(&mut findings);
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(at: usize) -> Diagnostic {
        Diagnostic::error(code::BAD_VALUE, Span::new(at..at + 1), "bad")
    }

    #[test]
    fn reports_a_place_once_and_in_order() {
        let findings = Findings::default();
        for at in [7, 3, 7] {
            findings.push(finding(at));
        }
        assert_eq!(findings.into_sorted(), [finding(3), finding(7)]);
    }

    #[test]
    fn says_when_it_leaves_findings_out() {
        let findings = Findings::default();
        for at in 0..3 * MAX_FINDINGS {
            findings.push(finding(at));
        }
        let findings = findings.into_sorted();
        assert_eq!(findings.len(), MAX_FINDINGS + 1);
        assert_eq!(findings[MAX_FINDINGS].code, code::LIMIT_EXCEEDED);
    }
}
