//! Findings for programs: one object, versioned, with fingerprints that survive edits.

use std::collections::HashMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Code, Diagnostic, Label, Level};
use crate::source::{Source, Span};

/// The name of the form, which changes when a reader would have to.
pub const SCHEMA: &str = "portcullis.check/1";

/// What a check has found, to be serialized.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    schema: &'static str,
    tool: &'static str,
    exit: u8,
    inputs: Vec<Input<'a>>,
    findings: Vec<Finding<'a>>,
    summary: Summary,
}

#[derive(Debug, Serialize)]
struct Input<'a> {
    path: &'a str,
}

#[derive(Debug, Serialize)]
struct Finding<'a> {
    code: &'static str,
    name: &'static str,
    level: &'static str,
    forbidden: bool,
    fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: Option<&'a str>,
    location: Location<'a>,
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    label: &'a str,
    related: Vec<Related<'a>>,
    help: &'a [String],
    notes: &'a [String],
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

#[derive(Debug, Default, Serialize)]
struct Summary {
    error: usize,
    warn: usize,
    info: usize,
}

/// The report on files and their findings, in the order given. `exit` is the code the program ends
/// with, and `name` knows the name of every rule by its code.
#[must_use]
pub fn report<'a>(
    exit: u8,
    files: &[(&'a Source, &'a [Diagnostic])],
    name: impl Fn(Code) -> &'static str,
) -> Report<'a> {
    let mut prints = Fingerprints::default();
    let mut summary = Summary::default();
    let mut findings = Vec::new();
    for (source, found) in files {
        for finding in *found {
            match finding.level {
                Level::Info => summary.info += 1,
                Level::Warn => summary.warn += 1,
                Level::Error | Level::Forbid => summary.error += 1,
            }
            let fingerprint = prints.take(source, finding);
            findings.push(self::finding(source, finding, name(finding.code), fingerprint));
        }
    }
    let inputs = files.iter().map(|(source, _)| Input { path: source.path() }).collect();
    let tool = concat!("portcullis ", env!("CARGO_PKG_VERSION"));
    Report { schema: SCHEMA, tool, exit, inputs, findings, summary }
}

fn finding<'a>(
    source: &'a Source,
    finding: &'a Diagnostic,
    name: &'static str,
    fingerprint: String,
) -> Finding<'a> {
    let related =
        |label: &'a Label| Related { location: location(source, label.span), message: &label.text };
    Finding {
        code: finding.code.0,
        name,
        level: match finding.level {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error | Level::Forbid => "error",
        },
        forbidden: finding.level == Level::Forbid,
        fingerprint,
        listener: finding.listener.as_deref(),
        location: location(source, finding.primary.span),
        message: &finding.message,
        label: &finding.primary.text,
        related: finding.related.iter().map(related).collect(),
        help: &finding.help,
        notes: &finding.notes,
    }
}

fn location(source: &Source, span: Span) -> Location<'_> {
    let (start, end) = (source.position(span.start as usize), source.position(span.end as usize));
    Location {
        path: source.path(),
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
    }
}

/// Makes names for findings that do not change when lines move, so that a tool that knows a finding
/// from yesterday knows it today.
#[derive(Default)]
struct Fingerprints {
    /// How often the same finding has been seen: the second one must have a name of its own.
    seen: HashMap<String, usize>,
}

impl Fingerprints {
    fn take(&mut self, source: &Source, finding: &Diagnostic) -> String {
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn source(text: &str) -> Source {
        Source::from_bytes("dir/test.yaml", text.as_bytes()).unwrap()
    }

    fn finding(bytes: std::ops::Range<usize>) -> Diagnostic {
        Diagnostic::error(Code("PC0003"), Span::new(bytes), "`web` is set twice")
    }

    fn value(source: &Source, findings: &[Diagnostic]) -> Value {
        let report = report(1, &[(source, findings)], |_| "duplicate-key");
        serde_json::to_value(report).unwrap()
    }

    #[test]
    fn says_all_that_is_known() {
        let source = source("é: 1\nweb: 2\n");
        let finding = finding(6..14)
            .level(Level::Forbid)
            .label("second one")
            .related(Span::new(0..2), "first set here")
            .help("remove one of the two")
            .note("a note")
            .listener("web");
        let fingerprint =
            value(&source, std::slice::from_ref(&finding))["findings"][0]["fingerprint"].clone();
        assert!(fingerprint.as_str().unwrap().starts_with("pc:PC0003:web:"), "{fingerprint}");
        let expected = json!({
            "schema": "portcullis.check/1",
            "tool": concat!("portcullis ", env!("CARGO_PKG_VERSION")),
            "exit": 1,
            "inputs": [{ "path": "dir/test.yaml" }],
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
            "summary": { "error": 1, "warn": 0, "info": 0 },
        });
        pretty_equal(&value(&source, &[finding]), &expected);
    }

    fn pretty_equal(found: &Value, expected: &Value) {
        assert_eq!(format!("{found:#}"), format!("{expected:#}"));
    }

    #[test]
    fn fingerprints_survive_moved_lines_and_tell_twins_apart() {
        let prints = |text: &str, findings: &[Diagnostic]| -> Vec<Value> {
            let value = value(&source(text), findings);
            let findings = value["findings"].as_array().unwrap();
            findings.iter().map(|finding| finding["fingerprint"].clone()).collect()
        };
        let before = prints("web: 1\nweb: 2\n", &[finding(0..3), finding(7..10)]);
        let after = prints("\n\nweb: 1\n\nweb: 2\n", &[finding(2..5), finding(10..13)]);
        assert_eq!(before, after);
        assert_ne!(before[0], before[1]);
    }
}
