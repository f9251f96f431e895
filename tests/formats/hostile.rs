//! Words from a file, from its path, from anywhere: they stay words in every format.

use std::collections::BTreeSet;

use portcullis::{
    diagnostic::{
        Code, Diagnostic, Level,
        accepted::{Acceptance, By},
        github, gitlab, human, json, junit,
        report::{Claim, File, Input, Page, Report},
        sarif,
    },
    source::{Source, Span},
};
use proptest::prelude::*;
use serde_json::Value;

use super::assert_is_sarif;

const RULES: [Page; 3] = [page("PC0101"), page("PC0203"), page("PC1108")];

const fn page(code: &'static str) -> Page {
    let (name, text) = ("any-bind-not-granted", "## What it does\n\nReports something.\n");
    Page { code: Code(code), name, level: Level::Forbid, group: "exposure", text }
}

/// Pieces that mean something to somebody.
const PIECES: [&str; 22] = [
    "\n::error file=x::forged",
    "\r::stop-commands::x",
    "%0A::error::x",
    "\u{1b}[2J",
    "\u{1b}]8;;http://x\u{7}",
    "](http://example.com)",
    "![x](http://example.com/x.png)",
    "<script>",
    "</failure><testcase/>",
    "]]>",
    "<!--",
    "&lt;",
    "\"",
    "'",
    "|",
    "`",
    "@someone",
    "#1",
    "\u{202e}",
    "\u{0}",
    "\u{ffff}",
    ",line=1::x",
];

/// A text that tries to be more than one.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(&PIECES[..]).prop_map(str::to_owned),
        ".{0,4}".prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn finding() -> impl Strategy<Value = Diagnostic> {
    let level = prop::sample::select(vec![Level::Info, Level::Warn, Level::Error, Level::Forbid]);
    (level, hostile(), hostile(), hostile(), hostile(), hostile()).prop_map(
        |(level, message, label, note, help, listener)| {
            Diagnostic::error(Code("PC0101"), Span::new(0..4), message)
                .level(level)
                .label(label.clone())
                .related(Span::new(2..4), label)
                .note(note)
                .help(help)
                .listener(listener)
        },
    )
}

/// A text of a few lines.
const TEXT: &[u8] = b"web: 1\ndb: 2\n\nadmin: 3\n";

/// The file with each of its findings accepted, claimed and repaired as well.
fn file<'a>(file: File<'a>, source: &'a Source, findings: &'a [Diagnostic]) -> File<'a> {
    let accepted = findings.iter().enumerate().map(|(at, finding)| {
        let (guardrail, id) = (finding.message.as_str(), finding.primary.text.as_str());
        let acceptance = Acceptance {
            by: if at % 2 == 0 { By::Expectation } else { By::Grant { guardrail, id } },
            reason: finding.notes.first().map(String::as_str),
            owner: finding.help.first().map(String::as_str),
            source,
            span: Span::new(2..4),
            expires: Some("2026-12-31".to_owned()),
            days_left: None,
        };
        (finding, acceptance)
    });
    let titles = findings.iter().flat_map(|one| one.help.first().cloned());
    let claims = titles.map(|title| Claim { title, concerns: false });
    let mut file = file.accept(accepted).claim(claims);
    for (finding, new) in file.findings.iter_mut().zip(findings) {
        finding.fix = Some(new.message.clone());
    }
    // One finding under two names is the fingerprint's affair; here each is to be written.
    for (at, one) in file.accepted.iter_mut().enumerate() {
        one.finding.fingerprint = format!("accepted {at}");
    }
    file
}

/// The output of every format, and of the step's summary.
fn written(path: &str, findings: &[Diagnostic]) -> Vec<(&'static str, String)> {
    let source = Source::from_bytes(path, TEXT).unwrap();
    let listeners: Vec<_> = findings.iter().filter_map(|it| it.listener.clone()).collect();
    let input = Input::new("service", path, TEXT);
    let report = Report {
        exit: 1,
        fail_on: Level::Error,
        rules: &RULES,
        files: vec![file(File::new(input, &source, &listeners, findings), &source, findings)],
        others: Vec::new(),
        hidden: None,
    };
    type Write<'a> = &'a dyn Fn(&mut dyn std::io::Write) -> std::io::Result<()>;
    let formats: [(&str, Write<'_>); 7] = [
        ("text", &|out| human::write(out, &source, findings, false)),
        ("json", &|out| json::write(out, &report)),
        ("sarif", &|out| sarif::write(out, &report)),
        ("github", &|out| github::write(out, &report, true)),
        ("gitlab", &|out| gitlab::write(out, &report)),
        ("junit", &|out| junit::write(out, &report)),
        ("summary", &|out| github::summary(out, &report)),
    ];
    let text = |(name, write): &(&'static str, Write<'_>)| {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        (*name, String::from_utf8(out).unwrap())
    };
    formats.iter().map(text).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn words_cannot_forge_annotations_terminal_escapes_or_markup(
        path in hostile(),
        findings in prop::collection::vec(finding(), 1..5),
    ) {
        // No path has a NUL, and a message always says something.
        let path = format!("dir/{}", path.replace('\0', ""));
        for (format, out) in written(&path, &findings) {
            for character in out.chars() {
                prop_assert!(character == '\n' || !character.is_control(), "{format}: {out:?}");
            }
            match format {
                "github" => {
                    prop_assert_eq!(out.lines().count(), findings.len());
                    for line in out.lines() {
                        let word = line.strip_prefix("::").and_then(|it| it.split(' ').next());
                        let known = ["error", "warning", "notice"];
                        prop_assert!(known.contains(&word.unwrap_or_default()), "{line}");
                        prop_assert!(line.contains(",line=1,col=1,endLine=1,title=PC0101 "), "{line}");
                    }
                }
                "json" | "gitlab" => {
                    serde_json::from_str::<Value>(&out).unwrap();
                }
                "sarif" => {
                    let document: Value = serde_json::from_str(&out).unwrap();
                    assert_is_sarif(&document);
                    for result in document["runs"][0]["results"].as_array().unwrap() {
                        let words = [&result["message"], &result["relatedLocations"][0]["message"],
                            &result["suppressions"], &result["fixes"][0]["description"]];
                        prop_assert!(words.iter().all(|it| !it.to_string().contains("](")));
                    }
                }
                "junit" => {
                    let tags = ["?xml ", "testsuite", "/testsuite", "testcase ", "/testcase>",
                        "failure ", "/failure>", "skipped ", "system-out>", "/system-out>"];
                    for after in out.split('<').skip(1) {
                        prop_assert!(tags.iter().any(|tag| after.starts_with(tag)), "{out}");
                    }
                    prop_assert!(!out.contains("]]>"), "{out}");
                }
                "summary" => {
                    let rows = out.lines().filter(|line| line.starts_with("| ")).count();
                    prop_assert_eq!(rows, findings.len() + 1, "{}", out);
                    let bullets = out.lines().filter(|line| line.starts_with("- ")).count();
                    prop_assert_eq!(bullets, findings.len(), "{}", out);
                    prop_assert!(!out.contains("](") && !out.contains("<script"), "{out}");
                }
                _ => {
                    let titles = out.lines().filter(|line| line.contains("[PC0101]: "));
                    prop_assert_eq!(titles.count(), findings.len(), "{}", out);
                }
            }
        }
    }

    /// P14: the same findings at the same places, whatever they are.
    #[test]
    fn all_formats_carry_the_same_findings(
        found in prop::collection::btree_set((0usize..3, 0u32..20, "[a-c]"), 1..9),
        level in prop::sample::select(vec![Level::Info, Level::Warn, Level::Error, Level::Forbid]),
    ) {
        let one = |(rule, at, listener): &(usize, u32, String)| {
            Diagnostic::error(RULES[*rule].code, Span::new(*at as usize..*at as usize + 1), "no")
                .level(level)
                .listener(listener)
        };
        let findings: Vec<_> = found.iter().map(one).collect();
        let line = |at: u32| 1 + TEXT[..at as usize].iter().filter(|byte| **byte == b'\n').count();
        let expected: BTreeSet<super::Place> = found
            .iter()
            .map(|(rule, at, _)| (RULES[*rule].code.0.to_owned(), line(*at).try_into().unwrap()))
            .collect();
        for (format, out) in written("portcullis.yaml", &findings) {
            if let Some((_, read)) = super::READERS.iter().find(|(name, _)| *name == format) {
                prop_assert_eq!(read(&out), expected.clone(), "{}: {}", format, out);
            }
        }
    }
}
