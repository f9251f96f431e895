//! Every rule's page is executed: its bad file fires this rule and no other, its good file fires
//! nothing.

mod audience;
mod host;
mod pairs;
mod traps;

use std::{collections::BTreeSet, fs, path::Path};

use portcullis::{
    address::Date,
    compile::{Compiled, Given, compile, guardrail},
    diagnostic::{Diagnostic, human},
    facts::Facts,
    lint::{self, ALL, Check, Rule},
    policy::governance::GuardrailFile,
    source::Source,
};

/// The sections of a page, in order.
const SECTIONS: [&str; 5] =
    ["What it does", "Why is this bad?", "When to ignore it", "Example", "Use instead"];

/// Rules that see nothing without the host.
const NEED_HOST: [&str; 9] =
    ["PC0008", "PC0103", "PC0209", "PC0213", "PC0301", "PC0405", "PC0506", "PC0805", "PC0901"];

/// Rules that see nothing with it.
const NEED_NO_HOST: [&str; 1] = ["PC1204"];

/// The hint that no guardrail is given: most examples are about something else, and need none.
const HINT: &str = "PC1111";

/// Without the hint.
fn judge(text: &str, facts: Option<&Facts>) -> (Source, Compiled) {
    let (source, mut compiled) = judge_under(&[], text, facts);
    compiled.findings.retain(|finding| finding.code.0 != HINT);
    (source, compiled)
}

fn judge_under(
    guardrails: &[GuardrailFile],
    text: &str,
    facts: Option<&Facts>,
) -> (Source, Compiled) {
    let source = Source::from_bytes("portcullis.yaml", text.as_bytes()).unwrap();
    let today = Date::read("2026-11-22").unwrap();
    let compiled = compile(
        &source,
        &Given { facts, guardrails, running: None, today, allow_port_zero: false },
    );
    (source, compiled)
}

fn codes(text: &str, facts: Option<&Facts>) -> BTreeSet<&'static str> {
    judge(text, facts).1.findings.iter().map(|finding| finding.code.0).collect()
}

/// The codes for a whole file on the host of the tests.
fn on_host(text: &str) -> BTreeSet<&'static str> {
    codes(text, Some(&host::facts()))
}

/// An example of a page: a service file, under the guardrail that stands before it.
struct Example {
    rule: &'static str,
    guardrails: Vec<GuardrailFile>,
    text: &'static str,
}

impl Example {
    fn judge(&self, facts: Option<&Facts>) -> (Source, Compiled) {
        let is_free = self.guardrails.is_empty() && self.rule != HINT;
        if is_free {
            judge(self.text, facts)
        } else {
            judge_under(&self.guardrails, self.text, facts)
        }
    }
}

/// The fenced blocks of a rule's page with this tag.
fn examples(rule: &Rule, tag: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut guardrails = Vec::new();
    for block in rule.page.split("```yaml ").skip(1) {
        let (kind, rest) = block.split_once('\n').unwrap();
        let text = rest.split("```").next().unwrap();
        if kind == "guardrail" {
            let mut file = guardrail("guardrail.yaml", text.as_bytes());
            // How a file lies on the disk no page can show.
            file.writable = (rule.code == "PC0907").then(|| "user 977 owns it".to_owned());
            guardrails.push(file);
            continue;
        }
        let guardrails = std::mem::take(&mut guardrails);
        if kind == tag {
            found.push(Example { rule: rule.code, guardrails, text });
        }
    }
    found
}

/// Every finding, of the file and of the guardrails.
fn all(compiled: &Compiled) -> impl Iterator<Item = &Diagnostic> {
    compiled.findings.iter().chain(compiled.of_guardrails.iter().flatten())
}

#[test]
fn every_bad_example_fires_its_rule_and_no_other() {
    let mut wrong = Vec::new();
    for rule in ALL {
        let host = host::facts_for(rule.code);
        let bad = examples(rule, "bad");
        assert!(!bad.is_empty(), "{} has no bad example", rule.code);
        for example in bad {
            let alone: &[_] = if NEED_HOST.contains(&rule.code) { &[] } else { &[rule.code] };
            let hosted: &[_] = if NEED_NO_HOST.contains(&rule.code) { &[] } else { &[rule.code] };
            for (facts, expected) in [(None, alone), (Some(&host), hosted)] {
                let (_, compiled) = example.judge(facts);
                let fired: BTreeSet<_> = all(&compiled).map(|finding| finding.code.0).collect();
                if !fired.iter().eq(expected) {
                    wrong.push((rule.name, facts.is_some(), fired));
                }
            }
        }
    }
    assert_eq!(wrong, []);
}

#[test]
fn every_good_example_is_clean() {
    for rule in ALL {
        let host = host::facts_for(rule.code);
        let good = examples(rule, "good");
        assert!(!good.is_empty(), "{} has no good example", rule.code);
        for example in good {
            for facts in [None, Some(&host)] {
                let (source, compiled) = example.judge(facts);
                assert_eq!(rendered(&example, &source, &compiled), "", "{}", rule.name);
                assert!(compiled.policy.is_some(), "{} is not fit to run", rule.name);
            }
        }
    }
}

#[test]
fn findings_weigh_what_their_rule_does_and_some_weigh_less() {
    /// Whom a service is offered to decides how much it weighs.
    const VARY: [&str; 2] = ["PC0601", "PC0602"];
    for rule in ALL {
        let host = host::facts_for(rule.code);
        for example in examples(rule, "bad") {
            for finding in all(&example.judge(Some(&host)).1) {
                let varies = VARY.contains(&rule.code) && finding.level < rule.level;
                assert!(finding.level == rule.level || varies, "{}", rule.name);
            }
        }
    }
}

#[test]
fn the_first_bad_example_of_every_rule_reads_well() {
    for rule in ALL {
        let host = host::facts_for(rule.code);
        let example = &examples(rule, "bad")[0];
        let facts = (!NEED_NO_HOST.contains(&rule.code)).then_some(&host);
        let (source, compiled) = example.judge(facts);
        let name = format!("{}-{}", rule.code, rule.name);
        insta::assert_snapshot!(name, rendered(example, &source, &compiled));
    }
}

fn rendered(example: &Example, source: &Source, compiled: &Compiled) -> String {
    let mut out = Vec::new();
    human::write(&mut out, source, &compiled.findings, false).unwrap();
    for (file, findings) in example.guardrails.iter().zip(&compiled.of_guardrails) {
        human::write(&mut out, &file.source, findings, false).unwrap();
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn every_page_has_its_sections_in_order() {
    for rule in ALL {
        let sections: Vec<_> =
            rule.page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(sections, SECTIONS, "{}", rule.name);
        for (at, section) in SECTIONS.iter().enumerate() {
            let heading = format!("## {section}\n\n");
            let body = rule.page.split(&heading).nth(1).unwrap_or_default();
            assert!(!body.is_empty() && !body.starts_with("##"), "{} lacks {at}", rule.name);
        }
        assert!(rule.page.lines().all(|line| line.chars().count() <= 120), "{}", rule.name);
    }
}

#[test]
fn codes_are_unique_and_ascending_and_found_again() {
    assert!(!ALL.is_empty());
    assert!(ALL.is_sorted_by(|a, b| a.code < b.code));
    for rule in ALL {
        assert!(std::ptr::eq(lint::rule(rule.code).unwrap(), *rule));
        let digits = rule.code.strip_prefix("PC").unwrap();
        assert!(digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()));
    }
    for unknown in ["", "PC", "PC9999", "pc0101", "PC01010"] {
        assert!(lint::rule(unknown).is_none(), "{unknown}");
    }
}

#[test]
fn every_file_of_a_rule_has_its_page_and_stands_in_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lint/rules");
    let mut stems: [BTreeSet<String>; 2] = Default::default();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let kind = match path.extension().unwrap().to_str().unwrap() {
            "rs" => 0,
            "md" => 1,
            other => panic!("{} is neither a rule nor a page: {other}", path.display()),
        };
        stems[kind].insert(stem);
    }
    let names: BTreeSet<_> = ALL.iter().map(|rule| rule.name.replace('-', "_")).collect();
    let [code, pages] = stems;
    assert_eq!(code, names);
    assert_eq!(pages, names);
}

#[test]
fn names_read_after_allow() {
    /// The absence of something is what this one allows.
    const EXCEPTIONS: [&str; 4] =
        ["no-v6-stack", "no-idle-timeout-public", "no-connection-limit-public", "no-guardrails"];
    for Rule { name, .. } in ALL {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(name.chars().all(plain), "{name}");
        let negated = ["no-", "disallow-", "forbid-"].iter().any(|word| name.starts_with(word));
        assert!(!negated || EXCEPTIONS.contains(name), "{name}");
    }
}

#[test]
fn some_rules_look_and_some_are_met_while_reading() {
    let is_reading = |rule: &&Rule| matches!(rule.check, Check::Reading);
    assert!(ALL.iter().copied().any(|rule| is_reading(&rule)));
    assert!(!ALL.iter().copied().all(|rule| is_reading(&rule)));
}
