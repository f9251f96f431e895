//! Findings as JUnit XML: a test case for every listener and group of rules, so that a green run
//! shows what was looked at, and one for every claim, so that it shows what was proved. What a file
//! expects is a case that is skipped: known, and not to be counted as good.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use super::{
    Diagnostic,
    accepted::By,
    harmless::harmless,
    report::{File, Finding, Report},
};

/// The listener of a finding that is about none.
const WHOLE_FILE: &str = "the file";

/// The group whose findings are about claims, each of which is a case of its own.
const CLAIMS: &str = "tests";

/// Writes the report. A case fails by the findings that fail the check; the others are its output.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write(out: &mut dyn Write, report: &Report<'_>) -> io::Result<()> {
    let suites: Vec<_> = report.files.iter().map(|file| Suite::of(report, file)).collect();
    let tests: usize = suites.iter().map(|suite| suite.cases.len()).sum();
    let failures: usize = suites.iter().map(Suite::failures).sum();
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(
        out,
        "<testsuites name=\"portcullis check\" tests=\"{tests}\" failures=\"{failures}\">"
    )?;
    for suite in &suites {
        suite.write(out, report)?;
    }
    writeln!(out, "</testsuites>")
}

/// The cases of one file by listener and group.
struct Suite<'a> {
    file: &'a File<'a>,
    /// By name.
    cases: BTreeMap<String, Case<'a>>,
}

/// What a group of rules says of a listener.
#[derive(Default)]
struct Case<'a> {
    failing: Vec<&'a Finding<'a>>,
    other: Vec<&'a Finding<'a>>,
    /// Why nothing was looked at, or what was found is known.
    skipped: Option<String>,
}

impl Case<'_> {
    /// A case cannot both fail and be skipped.
    fn is_skipped(&self) -> bool {
        self.skipped.is_some() && self.failing.is_empty()
    }
}

impl<'a> Suite<'a> {
    fn of(report: &'a Report<'_>, file: &'a File<'_>) -> Self {
        let mut groups: BTreeSet<_> = report.rules.iter().map(|page| page.group).collect();
        groups.remove(CLAIMS);
        let mut cases: BTreeMap<_, Case<'_>> = BTreeMap::new();
        let listeners = file.listeners.iter().map(String::as_str);
        for listener in listeners.chain([WHOLE_FILE]) {
            let names = groups.iter().map(|group| format!("{listener}: {group}"));
            cases.extend(names.map(|name| (name, Case::default())));
        }
        for claim in &file.claims {
            let skipped =
                (!claim.concerns).then(|| "nothing leads to what it speaks of".to_owned());
            cases.insert(claim.title.clone(), Case { skipped, ..Case::default() });
        }
        for accepted in file.accepted.iter().filter(|one| one.acceptance.by == By::Expectation) {
            let Diagnostic { code, listener, .. } = accepted.finding.diagnostic;
            let name = format!("{}: expected {code}", listener.as_deref().unwrap_or(WHOLE_FILE));
            let reason = accepted.acceptance.reason.unwrap_or_default();
            let skipped = Some(format!("{}, {reason}", accepted.acceptance.term()));
            cases.entry(name).or_insert_with(|| Case { skipped, ..Case::default() });
        }
        for finding in &file.findings {
            let case = cases.entry(case_of(report, finding)).or_default();
            let fails = finding.diagnostic.level >= report.fail_on;
            if fails { &mut case.failing } else { &mut case.other }.push(finding);
        }
        Self { file, cases }
    }

    fn failures(&self) -> usize {
        self.cases.values().filter(|case| !case.failing.is_empty()).count()
    }

    fn write(&self, out: &mut dyn Write, report: &Report<'_>) -> io::Result<()> {
        let path = xml(self.file.path());
        writeln!(
            out,
            "  <testsuite name=\"{path}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\">",
            self.cases.len(),
            self.failures(),
            self.cases.values().filter(|case| case.is_skipped()).count(),
        )?;
        for (name, case) in &self.cases {
            let name = xml(name);
            write!(out, "    <testcase classname=\"{path}\" name=\"{name}\" file=\"{path}\"")?;
            if case.failing.is_empty() && case.other.is_empty() && !case.is_skipped() {
                writeln!(out, "/>")?;
                continue;
            }
            writeln!(out, ">")?;
            if let Some(why) = case.skipped.as_deref().filter(|_| case.is_skipped()) {
                writeln!(out, "      <skipped message=\"{}\"/>", xml(why))?;
            }
            if let Some(first) = case.failing.first() {
                write!(
                    out,
                    "      <failure type=\"{}\" message=\"{}\">",
                    first.diagnostic.code,
                    xml(&first.diagnostic.message)
                )?;
                self.body(out, report, &case.failing)?;
                writeln!(out, "</failure>")?;
            }
            if !case.other.is_empty() {
                write!(out, "      <system-out>")?;
                self.body(out, report, &case.other)?;
                writeln!(out, "</system-out>")?;
            }
            writeln!(out, "    </testcase>")?;
        }
        writeln!(out, "  </testsuite>")
    }

    fn body(
        &self,
        out: &mut dyn Write,
        report: &Report<'_>,
        findings: &[&Finding<'_>],
    ) -> io::Result<()> {
        for finding in findings {
            let code = finding.diagnostic.code;
            let lines: Vec<_> = finding.lines().iter().map(|line| xml(line)).collect();
            writeln!(
                out,
                "{}:{}:{}: {}[{code} {}]: {}",
                xml(self.file.path()),
                finding.start.line,
                finding.start.column,
                finding.diagnostic.level.word(),
                report.name(code),
                lines.join("\n  "),
            )?;
        }
        Ok(())
    }
}

/// The name of the case that a finding belongs to.
fn case_of(report: &Report<'_>, finding: &Finding<'_>) -> String {
    let Diagnostic { code, listener, claim, .. } = finding.diagnostic;
    if let Some(claim) = claim {
        return claim.clone();
    }
    let group = report.rule(*code).map(|at| report.rules[at].group);
    format!("{}: {}", listener.as_deref().unwrap_or(WHOLE_FILE), group.unwrap_or_default())
}

/// Words in XML, which has no way to write most control characters at all.
fn xml(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in harmless(text).chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            _ => safe.push(character),
        }
    }
    safe
}
