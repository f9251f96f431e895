//! Findings as a code quality report of GitLab: an array, with fingerprints that survive edits.

use std::io::{self, Write};

use serde::Serialize;

use super::{Level, pretty, report::Report};

/// Writes the report.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write(out: &mut dyn Write, report: &Report<'_>) -> io::Result<()> {
    let issues = report.findings().map(|(file, finding)| {
        let code = finding.diagnostic.code;
        Issue {
            description: format!("{code}: {}", finding.lines().join("\n")),
            check_name: format!("{code} {}", report.name(code)),
            fingerprint: &finding.fingerprint,
            severity: match finding.diagnostic.level {
                Level::Info => "info",
                Level::Warn => "minor",
                Level::Error => "critical",
                Level::Forbid => "blocker",
            },
            location: Location { path: file.path(), lines: Lines { begin: finding.start.line } },
        }
    });
    pretty::write(out, &issues.collect::<Vec<_>>())
}

#[derive(Serialize)]
struct Issue<'a> {
    description: String,
    check_name: String,
    fingerprint: &'a str,
    severity: &'static str,
    location: Location<'a>,
}

#[derive(Serialize)]
struct Location<'a> {
    path: &'a str,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: usize,
}
