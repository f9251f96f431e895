//! Findings as JUnit XML: a test case for every listener and group of rules, so that a green run
//! shows what was looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use super::{
    harmless::harmless,
    report::{File, Finding, Report},
};

/// The listener of a finding that is about none.
const WHOLE_FILE: &str = "the file";

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
    cases: BTreeMap<(&'a str, &'a str), Case<'a>>,
}

/// What a group of rules says of a listener.
#[derive(Default)]
struct Case<'a> {
    failing: Vec<&'a Finding<'a>>,
    other: Vec<&'a Finding<'a>>,
}

impl<'a> Suite<'a> {
    fn of(report: &'a Report<'_>, file: &'a File<'_>) -> Self {
        let groups: BTreeSet<_> = report.rules.iter().map(|page| page.group).collect();
        let mut cases = BTreeMap::new();
        let listeners = file.listeners.iter().map(String::as_str);
        for listener in listeners.chain([WHOLE_FILE]) {
            for group in &groups {
                cases.insert((listener, *group), Case::default());
            }
        }
        for finding in &file.findings {
            let listener = finding.diagnostic.listener.as_deref().unwrap_or(WHOLE_FILE);
            let group = report.rule(finding.diagnostic.code).map(|at| report.rules[at].group);
            let case = cases.entry((listener, group.unwrap_or_default())).or_default();
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
            "  <testsuite name=\"{path}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"0\">",
            self.cases.len(),
            self.failures(),
        )?;
        for ((listener, group), case) in &self.cases {
            let listener = xml(listener);
            write!(
                out,
                "    <testcase classname=\"{path}\" name=\"{listener}: {group}\" file=\"{path}\""
            )?;
            if case.failing.is_empty() && case.other.is_empty() {
                writeln!(out, "/>")?;
                continue;
            }
            writeln!(out, ">")?;
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
