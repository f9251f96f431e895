//! Findings as SARIF 2.1.0 (OASIS), for code scanning: one run, every rule, fingerprints without
//! lines.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::Serialize;

use super::{
    Label, Level,
    accepted::{Acceptance, By},
    harmless::harmless,
    pretty,
    report::{File, Finding, Page, Report, positions},
};
use crate::source::Position;

/// The most results. GitHub refuses an upload that has more of them in a run; the worst are kept.
const MAX_RESULTS: usize = 25_000;

/// The name under which the fingerprint is known, with the version of how it is made.
const FINGERPRINT: &str = "portcullis/v1";

/// Writes the report as a SARIF log.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write(out: &mut dyn Write, report: &Report<'_>) -> io::Result<()> {
    pretty::write(out, &log(report))
}

#[derive(Serialize)]
struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    invocations: [Invocation; 1],
    artifacts: Vec<Artifact>,
    results: Vec<Outcome>,
    column_kind: &'static str,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    name: &'static str,
    short_description: Message,
    help: Help,
    default_configuration: Configuration,
    properties: Properties,
}

#[derive(Serialize)]
struct Help {
    text: &'static str,
    markdown: &'static str,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Properties {
    security_severity: &'static str,
    tags: [&'static str; 2],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    exit_code: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Notification {
    level: &'static str,
    message: Message,
}

#[derive(Serialize)]
struct Artifact {
    location: Uri,
    hashes: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    rule_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    level: &'static str,
    message: Message,
    locations: [Location; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Location>,
    partial_fingerprints: BTreeMap<&'static str, String>,
    /// Absent where there are none at all; else an empty list says that nobody has (§3.27.23).
    #[serde(skip_serializing_if = "Option::is_none")]
    suppressions: Option<Vec<Suppression>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fixes: Vec<Fix>,
}

#[derive(Serialize)]
struct Suppression {
    kind: &'static str,
    status: &'static str,
    justification: String,
    location: Location,
    properties: Exception,
}

/// Who answers for it, and until when.
#[derive(Serialize)]
struct Exception {
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guardrail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fix {
    description: Message,
    artifact_changes: [Change; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    artifact_location: Uri,
    replacements: [Replacement; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replacement {
    deleted_region: Region,
    inserted_content: Message,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: Physical,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Uri,
    region: Region,
}

#[derive(Serialize)]
struct Uri {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
}

fn log(report: &Report<'_>) -> Log {
    let open = report.worst_first().into_iter().map(|(file, found)| (file, found, None));
    let accepted = report.files.iter().flat_map(|file| {
        file.only_accepted().map(move |one| (file, &one.finding, Some(&one.acceptance)))
    });
    let mut findings: Vec<_> = open.chain(accepted).collect();
    let left_out = findings.len().saturating_sub(MAX_RESULTS);
    let has_accepted = report.files.iter().any(|file| !file.accepted.is_empty());
    findings.truncate(MAX_RESULTS);
    let notification = (left_out > 0).then(|| Notification {
        level: "warning",
        message: Message { text: format!("{left_out} more findings are left out") },
    });
    let artifacts = report.files.iter().map(|file| Artifact {
        location: uri(file.path()),
        hashes: BTreeMap::from([("sha-256", file.input.sha256.clone())]),
    });
    let results = findings.into_iter().map(|(file, found, acceptance)| Outcome {
        suppressions: has_accepted.then(|| acceptance.map(suppression).into_iter().collect()),
        ..outcome(report, file, found)
    });
    let run = Run {
        tool: Tool {
            driver: Driver {
                name: "portcullis",
                semantic_version: env!("CARGO_PKG_VERSION"),
                rules: report.rules.iter().map(rule).collect(),
            },
        },
        invocations: [Invocation {
            execution_successful: true,
            exit_code: report.exit,
            tool_execution_notifications: notification.into_iter().collect(),
        }],
        artifacts: artifacts.collect(),
        results: results.collect(),
        column_kind: "unicodeCodePoints",
    };
    let schema = "https://json.schemastore.org/sarif-2.1.0.json";
    Log { schema, version: "2.1.0", runs: [run] }
}

fn rule(page: &Page) -> Rule {
    Rule {
        id: page.code.0,
        name: page.name,
        short_description: Message { text: page.summary() },
        help: Help { text: page.text, markdown: page.text },
        default_configuration: Configuration { level: level(page.level) },
        properties: Properties {
            security_severity: severity(page.level),
            tags: ["security", page.group],
        },
    }
}

fn outcome(report: &Report<'_>, file: &File<'_>, found: &Finding<'_>) -> Outcome {
    let diagnostic = found.diagnostic;
    let related = diagnostic.related.iter().map(|Label { span, text }| {
        let message = (!text.is_empty()).then(|| Message { text: plain(text) });
        location(file.path(), positions(file.source, *span), message)
    });
    Outcome {
        rule_id: diagnostic.code.0,
        rule_index: report.rule(diagnostic.code),
        level: level(diagnostic.level),
        message: Message { text: plain_lines(found) },
        locations: [location(file.path(), (found.start, found.end), None)],
        related_locations: related.collect(),
        partial_fingerprints: BTreeMap::from([(FINGERPRINT, found.fingerprint.clone())]),
        suppressions: None,
        fixes: found.fix.iter().map(|new| fix(file, found, new)).collect(),
    }
}

/// The service file's own word is in the source that was looked at; a grant is another's, in a file
/// beside it.
fn suppression(acceptance: &Acceptance<'_>) -> Suppression {
    let (kind, by, guardrail, grant) = match acceptance.by {
        By::Expectation => ("inSource", "expected".to_owned(), None, None),
        By::Grant { guardrail, id } => {
            let by = format!("grant {id} of guardrail {guardrail}");
            ("external", by, Some(plain(guardrail)), Some(plain(id)))
        }
    };
    let reason = acceptance.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    Suppression {
        kind,
        status: "accepted",
        justification: plain(&format!("{by}, {}{reason}", acceptance.term())),
        location: location(acceptance.path(), acceptance.place(), None),
        properties: Exception {
            owner: acceptance.owner.map(plain),
            expires: acceptance.expires.clone(),
            guardrail,
            grant,
        },
    }
}

fn fix(file: &File<'_>, found: &Finding<'_>, new: &str) -> Fix {
    Fix {
        description: Message { text: plain(&format!("write `{new}`")) },
        artifact_changes: [Change {
            artifact_location: uri(file.path()),
            replacements: [Replacement {
                deleted_region: region((found.start, found.end)),
                inserted_content: Message { text: new.to_owned() },
            }],
        }],
    }
}

fn location(path: &str, place: (Position, Position), message: Option<Message>) -> Location {
    let physical_location = Physical { artifact_location: uri(path), region: region(place) };
    Location { physical_location, message }
}

fn region((start, end): (Position, Position)) -> Region {
    Region {
        start_line: start.line,
        start_column: start.column,
        end_line: end.line,
        end_column: end.column,
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Info => "note",
        Level::Warn => "warning",
        Level::Error | Level::Forbid => "error",
    }
}

/// On the scale of CVSS, by which code scanning sorts: above 9.0 is critical, above 7.0 high.
fn severity(level: Level) -> &'static str {
    match level {
        Level::Info => "1.0",
        Level::Warn => "4.0",
        Level::Error => "7.0",
        Level::Forbid => "9.0",
    }
}

/// `[text](target)` is a link in every message of SARIF (§3.11.6), and the words are not ours.
fn plain(text: &str) -> String {
    harmless(text).replace("](", "] (")
}

fn plain_lines(found: &Finding<'_>) -> String {
    found.lines().iter().map(|line| plain(line)).collect::<Vec<_>>().join("\n")
}

/// A path as a URI reference (RFC 3986): a colon is encoded too, for before the first slash it
/// would end a scheme.
fn uri(path: &str) -> Uri {
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    Uri { uri }
}
