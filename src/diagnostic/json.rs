//! Findings for programs: one object, versioned, with fingerprints that survive edits.

use std::io::{self, Write};

use serde::Serialize;

use super::{
    Label, Level,
    accepted::{Accepted, By},
    baseline::Hidden,
    pretty,
    report::{self, File, Report, positions},
};
use crate::source::{Source, Span};

/// The name of the form, which changes when a reader would have to.
pub const SCHEMA: &str = "portcullis.check/1";

/// Writes the report as one object.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write(out: &mut dyn Write, report: &Report<'_>) -> io::Result<()> {
    pretty::write(out, &document(report))
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: &'static str,
    tool: &'static str,
    exit: u8,
    inputs: Vec<Input<'a>>,
    findings: Vec<Finding<'a>>,
    suppressed: Vec<Suppressed<'a>>,
    approvals: Vec<Approval<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<Counts>,
    summary: Summary,
}

#[derive(Debug, Serialize)]
struct Input<'a> {
    kind: &'static str,
    path: &'a str,
    sha256: &'a str,
}

#[derive(Debug, Serialize)]
struct Finding<'a> {
    code: &'static str,
    name: &'static str,
    level: &'static str,
    forbidden: bool,
    fingerprint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: Option<&'a str>,
    location: Location<'a>,
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    label: &'a str,
    related: Vec<Related<'a>>,
    help: &'a [String],
    notes: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fixes: Vec<Fix<'a>>,
}

/// A repair: all of its edits together. A `safe` one changes nobody's reach.
#[derive(Debug, Serialize)]
struct Fix<'a> {
    safety: &'static str,
    edits: [Edit<'a>; 1],
}

#[derive(Debug, Serialize)]
struct Edit<'a> {
    location: Location<'a>,
    new: &'a str,
}

/// A finding that the service file expects.
#[derive(Debug, Serialize)]
struct Suppressed<'a> {
    #[serde(flatten)]
    finding: Finding<'a>,
    expected: Exception<'a>,
}

/// What a grant lets pass, by the finding that there would be without it.
#[derive(Debug, Serialize)]
struct Approval<'a> {
    code: &'static str,
    name: &'static str,
    fingerprint: &'a str,
    listener: Option<&'a str>,
    location: Location<'a>,
    guardrail: &'a str,
    grant: &'a str,
    #[serde(flatten)]
    exception: Exception<'a>,
}

/// Who answers for what is accepted, and until when: `expires` is the last day, UTC, and null is no
/// end.
#[derive(Debug, Serialize)]
struct Exception<'a> {
    reason: Option<&'a str>,
    owner: Option<&'a str>,
    expires: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    days_left: Option<u32>,
    written: Location<'a>,
}

/// Lines and columns count from 1, columns in characters; the end is one past the last character.
#[derive(Debug, Serialize)]
struct Location<'a> {
    path: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Debug, Serialize)]
struct Related<'a> {
    location: Location<'a>,
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct Counts {
    hidden: usize,
    forbidden: usize,
    gone: usize,
}

#[derive(Debug, Serialize)]
struct Summary {
    error: usize,
    warn: usize,
    info: usize,
    suppressed: usize,
}

fn document<'a>(report: &'a Report<'_>) -> Document<'a> {
    let findings = report.findings().map(|(file, found)| finding(report, file, found));
    let accepted =
        || report.files.iter().flat_map(|file| file.accepted.iter().map(move |it| (file, it)));
    let suppressed: Vec<_> =
        accepted().filter_map(|(file, one)| suppressed(report, file, one)).collect();
    let approvals = accepted().filter_map(|(file, one)| approval(report, file, one));
    let files = report.files.iter().map(|file| &file.input);
    let inputs = files.chain(&report.others).map(|input| Input {
        kind: input.kind,
        path: &input.path,
        sha256: &input.sha256,
    });
    Document {
        schema: SCHEMA,
        tool: concat!("portcullis ", env!("CARGO_PKG_VERSION")),
        exit: report.exit,
        inputs: inputs.collect(),
        findings: findings.collect(),
        baseline: report.hidden.map(|Hidden { hidden, forbidden, gone }| Counts {
            hidden,
            forbidden,
            gone,
        }),
        summary: Summary {
            error: report.count(Level::refuses),
            warn: report.count(|level| level == Level::Warn),
            info: report.count(|level| level == Level::Info),
            suppressed: suppressed.len(),
        },
        suppressed,
        approvals: approvals.collect(),
    }
}

fn suppressed<'a>(
    report: &Report<'_>,
    file: &'a File<'_>,
    accepted: &'a Accepted<'_>,
) -> Option<Suppressed<'a>> {
    let By::Expectation = accepted.acceptance.by else { return None };
    Some(Suppressed {
        finding: finding(report, file, &accepted.finding),
        expected: exception(accepted),
    })
}

fn approval<'a>(
    report: &Report<'_>,
    file: &'a File<'_>,
    accepted: &'a Accepted<'_>,
) -> Option<Approval<'a>> {
    let By::Grant { guardrail, id } = accepted.acceptance.by else { return None };
    let diagnostic = accepted.finding.diagnostic;
    Some(Approval {
        code: diagnostic.code.0,
        name: report.name(diagnostic.code),
        fingerprint: &accepted.finding.fingerprint,
        listener: diagnostic.listener.as_deref(),
        location: location(file.source, diagnostic.primary.span),
        guardrail,
        grant: id,
        exception: exception(accepted),
    })
}

fn exception<'a>(accepted: &'a Accepted<'_>) -> Exception<'a> {
    let acceptance = &accepted.acceptance;
    Exception {
        reason: acceptance.reason,
        owner: acceptance.owner,
        expires: acceptance.expires.as_deref(),
        days_left: acceptance.days_left,
        written: location(acceptance.source, acceptance.span),
    }
}

fn finding<'a>(
    report: &Report<'_>,
    file: &'a File<'_>,
    found: &'a report::Finding<'_>,
) -> Finding<'a> {
    let diagnostic = found.diagnostic;
    let related = |label: &'a Label| Related {
        location: location(file.source, label.span),
        message: &label.text,
    };
    Finding {
        code: diagnostic.code.0,
        name: report.name(diagnostic.code),
        level: match diagnostic.level {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error | Level::Forbid => "error",
        },
        forbidden: diagnostic.level == Level::Forbid,
        fingerprint: &found.fingerprint,
        listener: diagnostic.listener.as_deref(),
        location: location(file.source, diagnostic.primary.span),
        message: &diagnostic.message,
        label: &diagnostic.primary.text,
        related: diagnostic.related.iter().map(related).collect(),
        help: &diagnostic.help,
        notes: &diagnostic.notes,
        fixes: found.fix.iter().map(|new| fix(file, diagnostic.primary.span, new)).collect(),
    }
}

fn fix<'a>(file: &'a File<'_>, span: Span, new: &'a str) -> Fix<'a> {
    Fix { safety: "safe", edits: [Edit { location: location(file.source, span), new }] }
}

fn location(source: &Source, span: Span) -> Location<'_> {
    let (start, end) = positions(source, span);
    Location {
        path: source.path(),
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::diagnostic::{Code, Diagnostic, report::Page};

    #[test]
    fn says_all_that_is_known() {
        let text = "é: 1\nweb: 2\n";
        let source = Source::from_bytes("dir/test.yaml", text.as_bytes()).unwrap();
        let findings = [Diagnostic::error(Code("PC0003"), Span::new(6..14), "`web` is set twice")
            .level(Level::Forbid)
            .label("second one")
            .related(Span::new(0..2), "first set here")
            .help("remove one of the two")
            .note("a note")
            .listener("web")];
        let rules = [Page {
            code: Code("PC0003"),
            name: "duplicate-key",
            level: Level::Error,
            group: "syntax",
            text: "",
        }];
        let input = report::Input::new("service", source.path(), text.as_bytes());
        let file = File::new(input, &source, &[], &findings);
        let fingerprint = file.findings[0].fingerprint.clone();
        let report = Report {
            exit: 1,
            fail_on: Level::Error,
            rules: &rules,
            files: vec![file],
            others: Vec::new(),
            hidden: Some(Hidden { hidden: 2, forbidden: 1, gone: 0 }),
        };
        let expected = json!({
            "schema": "portcullis.check/1",
            "tool": concat!("portcullis ", env!("CARGO_PKG_VERSION")),
            "exit": 1,
            "inputs": [{
                "kind": "service",
                "path": "dir/test.yaml",
                "sha256": "c8f30b962ea9a540601a742e8bab8b4b45bf1245cb0353316a1aa25178918100",
            }],
            "findings": [{
                "code": "PC0003", "name": "duplicate-key", "level": "error", "forbidden": true,
                "fingerprint": fingerprint,
                "listener": "web",
                "location": {
                    "path": "dir/test.yaml",
                    "line": 2, "column": 1, "end_line": 3, "end_column": 1
                },
                "message": "`web` is set twice",
                "label": "second one",
                "related": [{
                    "location": {
                        "path": "dir/test.yaml",
                        "line": 1, "column": 1, "end_line": 1, "end_column": 2
                    },
                    "message": "first set here"
                }],
                "help": ["remove one of the two"],
                "notes": ["a note"],
            }],
            "suppressed": [],
            "approvals": [],
            "baseline": { "hidden": 2, "forbidden": 1, "gone": 0 },
            "summary": { "error": 1, "warn": 0, "info": 0, "suppressed": 0 },
        });
        let mut out = Vec::new();
        write(&mut out, &report).unwrap();
        let found: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(format!("{found:#}"), format!("{expected:#}"));
    }
}
