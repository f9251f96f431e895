//! Findings as annotations of a GitHub workflow, and as the step's summary.
//!
//! GitHub keeps ten annotations of a level for a step and drops the others without a word, so the
//! worst come first and one annotation counts the rest.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Write},
};

use super::{
    Diagnostic, Level,
    accepted::By,
    harmless::harmless,
    report::{File, Finding, Report},
};

/// How many annotations of one level GitHub keeps for a step.
const MAX_ANNOTATIONS: usize = 10;

/// The most of a summary. GitHub refuses one of more than 1 MiB, and other steps write to it too.
const MAX_SUMMARY: usize = 512 * 1024;

/// How many exceptions a summary lists; `--out json` has them all.
const MAX_ACCEPTED: usize = 50;

/// Writes the annotations. `summary` says whether a step summary is there to look into.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write(out: &mut dyn Write, report: &Report<'_>, summary: bool) -> io::Result<()> {
    let findings = report.worst_first();
    let mut used: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, finding) in &findings {
        *used.entry(command(finding.diagnostic.level)).or_default() += 1;
    }
    // The word about the rest is a notice itself and needs a place of its own.
    let folded = used.values().any(|count| *count > MAX_ANNOTATIONS);
    let mut left = BTreeMap::from([
        ("error", MAX_ANNOTATIONS),
        ("warning", MAX_ANNOTATIONS),
        ("notice", MAX_ANNOTATIONS - usize::from(folded)),
    ]);
    let mut rest = 0;
    for (file, finding) in findings {
        match left.get_mut(command(finding.diagnostic.level)) {
            Some(places @ 1..) => {
                *places -= 1;
                annotation(out, report, file, finding)?;
            }
            _ => rest += 1,
        }
    }
    if rest > 0 {
        let all =
            if summary { "see the step summary" } else { "`portcullis check` lists them all" };
        writeln!(out, "::notice title=portcullis::and {rest} more, {all}")?;
    }
    Ok(())
}

fn annotation(
    out: &mut dyn Write,
    report: &Report<'_>,
    file: &File<'_>,
    finding: &Finding<'_>,
) -> io::Result<()> {
    let code = finding.diagnostic.code;
    let mut text = finding.lines().join("\n");
    let _infallible = write!(text, "\nexplain: portcullis explain {code}");
    writeln!(
        out,
        "::{} file={},line={},col={},endLine={},title={}::{}",
        command(finding.diagnostic.level),
        property(file.path()),
        finding.start.line,
        finding.start.column,
        finding.end.line,
        property(&format!("{code} {}", report.name(code))),
        data(&text),
    )
}

fn command(level: Level) -> &'static str {
    match level {
        Level::Info => "notice",
        Level::Warn => "warning",
        Level::Error | Level::Forbid => "error",
    }
}

/// The message of a workflow command, escaped as the runner unescapes it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command, where two signs more have a meaning.
fn property(text: &str) -> String {
    data(&harmless(text)).replace(':', "%3A").replace(',', "%2C")
}

/// Writes all findings as a table in Markdown, worst first; what does not fit is counted.
///
/// # Errors
/// When `out` cannot be written to.
pub fn summary(out: &mut dyn Write, report: &Report<'_>) -> io::Result<()> {
    let (errors, warnings) = (report.count(Level::refuses), report.count(|it| it == Level::Warn));
    writeln!(out, "### portcullis check: {errors} errors, {warnings} warnings\n")?;
    let findings = report.worst_first();
    if findings.is_empty() {
        writeln!(out, "Nothing to object to.")?;
        return accepted(out, report);
    }
    let verdict = if findings.iter().any(|(_, finding)| finding.diagnostic.level >= report.fail_on)
    {
        "This fails the check"
    } else {
        "This does not fail the check"
    };
    writeln!(
        out,
        "{verdict}. Each row says what is wrong, and after `help` what to do; `portcullis explain CODE` says why.\n"
    )?;
    writeln!(out, "| level | code | where | listener | finding |\n|---|---|---|---|---|")?;
    let mut room = MAX_SUMMARY;
    let mut shown = 0;
    for (file, finding) in &findings {
        let row = row(report, file, finding);
        let Some(left) = room.checked_sub(row.len()) else { break };
        room = left;
        shown += 1;
        out.write_all(row.as_bytes())?;
    }
    if shown < findings.len() {
        writeln!(out, "\n{} more are left out.", findings.len() - shown)?;
    }
    accepted(out, report)
}

/// Writes what somebody answers for, so that a reviewer sees who.
fn accepted(out: &mut dyn Write, report: &Report<'_>) -> io::Result<()> {
    let all: Vec<_> = report.files.iter().flat_map(|file| &file.accepted).collect();
    if !all.is_empty() {
        writeln!(out, "\nNot objected to, because somebody answers for it:\n")?;
    }
    for one in all.iter().take(MAX_ACCEPTED) {
        let Diagnostic { code, message, .. } = one.finding.diagnostic;
        let (term, reason) = (one.acceptance.term(), one.acceptance.reason.unwrap_or("no reason"));
        let by = match one.acceptance.by {
            By::Expectation => "the file expects it".to_owned(),
            By::Grant { guardrail, id } => format!("grant {id} of guardrail {guardrail}"),
        };
        let said = markdown(&format!("{message} ({by}, {term}: {reason})"));
        writeln!(out, "- {code} {}: {said}", report.name(*code))?;
    }
    if let Some(more) = all.len().checked_sub(MAX_ACCEPTED).filter(|more| *more > 0) {
        writeln!(out, "- and {more} more")?;
    }
    writeln!(out)
}

fn row(report: &Report<'_>, file: &File<'_>, finding: &Finding<'_>) -> String {
    let diagnostic = finding.diagnostic;
    let lines: Vec<_> = finding.lines().iter().map(|line| markdown(line)).collect();
    format!(
        "| {} | {} {} | {}:{} | {} | {} |\n",
        if diagnostic.level == Level::Forbid { "forbid" } else { diagnostic.level.word() },
        diagnostic.code,
        report.name(diagnostic.code),
        markdown(file.path()),
        finding.start.line,
        markdown(diagnostic.listener.as_deref().unwrap_or_default()),
        lines.join("<br>"),
    )
}

/// Words in Markdown that are words only. CommonMark takes a backslash before any ASCII
/// punctuation. GitHub looks for `#1` and `@name` in what comes out, so these signs are parted from
/// what follows them.
fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in harmless(text).chars() {
        match character {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '@' | '#' => {
                safe.push('\\');
                safe.push(character);
                safe.push_str("<!-- -->");
            }
            _ if character.is_ascii_punctuation() => {
                safe.push('\\');
                safe.push(character);
            }
            _ => safe.push(character),
        }
    }
    safe
}
