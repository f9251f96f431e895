//! Names for findings that survive edits of the file they are in.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::Diagnostic;
use crate::source::Source;

/// Makes names for findings that do not change when lines move, so that a tool that knows a finding
/// from yesterday knows it today.
#[derive(Debug, Default)]
pub(super) struct Fingerprints {
    /// How often the same finding has been seen: the second one must have a name of its own.
    seen: HashMap<String, usize>,
}

impl Fingerprints {
    pub(super) fn take(&mut self, source: &Source, finding: &Diagnostic) -> String {
        // Of the path only the last part: a checkout stands in another folder on every machine.
        let file = source.path().rsplit('/').next().unwrap_or_default();
        let listener = finding.listener.as_deref().unwrap_or("-");
        let code = finding.code;
        let what = format!("{code}\0{file}\0{listener}\0{}", finding.message);
        let times = self.seen.entry(what.clone()).or_default();
        let digest = Sha256::digest(format!("{what}\0{times}"));
        *times += 1;
        let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("pc:{code}:{listener}:{short}")
    }
}

/// SHA-256 in lower-case hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diagnostic::Code, source::Span};

    #[test]
    fn they_survive_moved_lines_and_tell_twins_apart() {
        let prints = |text: &str, places: [usize; 2]| {
            let source = Source::from_bytes("dir/test.yaml", text.as_bytes()).unwrap();
            let mut prints = Fingerprints::default();
            places.map(|at| {
                let span = Span::new(at..at + 3);
                let finding = Diagnostic::error(Code("PC0003"), span, "`web` is set twice");
                prints.take(&source, &finding.listener("web"))
            })
        };
        let before = prints("web: 1\nweb: 2\n", [0, 7]);
        let after = prints("\n\nweb: 1\n\nweb: 2\n", [2, 10]);
        assert_eq!(before, after);
        assert_ne!(before[0], before[1]);
        assert!(before[0].starts_with("pc:PC0003:web:"), "{before:?}");
    }
}
