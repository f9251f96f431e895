//! What somebody answers for, and what is claimed: in every format that has a place for it.

use std::fs;

use serde_json::Value;

use super::{assert_is_sarif, json};
use crate::support::{Ended, ServiceFile, portcullis};

const SERVICE: &str = "\
portcullis: 1
service: shop
listeners:
  web:
    purpose: customer API
    expose: { v4: { public: { address: 198.51.99.10 } }, v6: none }
    port: 8443
    allow: { reason: customers, expires: 2026-12-31 }
    timeouts: { idle: 5m }
    limits: { connections: 2000, per_client: 50 }
    forward: 10.20.9.9:8443
  db:
    purpose: ledger
    expose: { private: { subnet: 10.20.0.0/16 } }
    port: 2376
    forward: 10.20.9.10:1234
expect:
  - { code: PC0601, listener: db, reason: the builders use it, owner: team-shop, expires: 2026-12-01 }
  - { code: PC0401, listener: web, reason: it finds nothing, expires: 2026-12-01 }
tests:
  - { name: builders only, from: public, to: { listener: db }, expect: unreachable }
  - { name: nobody at all, from: public, to: { listener: web }, expect: unreachable }
";

const GUARDRAIL: &str = "\
portcullis_guardrails: 1
name: acme
may_expose: [loopback, private]
exceptions:
  grants:
    - { id: EXC-1, service: shop, listener: web, reason: agreed, owner: maria@example.com, expires: 2026-12-22,
        box: { classes: [public], families: [v4], protocol: tcp, ports: [8443], clients: any, upstreams: any } }
tests:
  - { name: no database is public, from: public, to: { group: sql }, expect: unreachable }
";

/// One without grants.
const STRICTER: &str = "portcullis_guardrails: 1\nname: team\nmay_expose: [private]\n";

/// Checks the service under the guardrail that grants, and under what else the arguments name.
fn check(arguments: &[&str]) -> (ServiceFile, Ended) {
    let file = ServiceFile::new(SERVICE);
    fs::write(file.beside("acme.yaml"), GUARDRAIL).unwrap();
    fs::write(file.beside("team.yaml"), STRICTER).unwrap();
    let mut command = portcullis();
    command.args(["check", "--now", "2026-11-22", "--guardrails", "acme.yaml"]).args(arguments);
    command.arg("portcullis.yaml").current_dir(file.folder());
    command.env("GITHUB_STEP_SUMMARY", "summary.md");
    let ended = Ended::of(command);
    (file, ended)
}

#[test]
fn json_says_what_is_expected_and_what_is_granted() {
    let report = json(&check(&["--format", "json"]).1.out);
    let suppressed = report["suppressed"].as_array().unwrap();
    assert_eq!(suppressed.len(), 1, "{report:#}");
    assert_eq!(suppressed[0]["code"], "PC0601");
    let expected = json(
        r#"{ "reason": "the builders use it", "owner": "team-shop", "expires": "2026-12-01", "days_left": 9,
             "written": { "path": "portcullis.yaml", "line": 18, "column": 5, "end_line": 18, "end_column": 103 } }"#,
    );
    assert_eq!(suppressed[0]["expected"], expected);
    let [approval] = report["approvals"].as_array().unwrap().as_slice() else {
        panic!("{report:#}")
    };
    for (key, value) in [
        ("code", "PC0102"),
        ("listener", "web"),
        ("guardrail", "acme"),
        ("grant", "EXC-1"),
        ("reason", "agreed"),
        ("owner", "maria@example.com"),
        ("expires", "2026-12-22"),
    ] {
        assert_eq!(approval[key], value, "{key}");
    }
    assert_eq!(approval["days_left"], 30);
    assert_eq!(approval["written"]["path"], "acme.yaml");
    assert_eq!(report["summary"]["suppressed"], 1);
}

/// The results of a rule.
fn results<'a>(document: &'a Value, code: &str) -> Vec<&'a Value> {
    let results = document["runs"][0]["results"].as_array().unwrap();
    results.iter().filter(|it| it["ruleId"] == code).collect()
}

#[test]
fn sarif_has_them_as_suppressed_results() {
    let document = json(&check(&["--format", "sarif"]).1.out);
    assert_is_sarif(&document);
    let expected = results(&document, "PC0601")[0];
    let [said] = expected["suppressions"].as_array().unwrap().as_slice() else { panic!() };
    assert_eq!((&said["kind"], &said["status"]), (&"inSource".into(), &"accepted".into()));
    let why = "expected, through 2026-12-01, 9 days left: the builders use it";
    assert_eq!(said["justification"], why);
    assert_eq!(said["location"]["physicalLocation"]["region"]["startLine"], 18);
    let granted = results(&document, "PC0102")[0];
    assert_eq!(granted["level"], "error");
    let [said] = granted["suppressions"].as_array().unwrap().as_slice() else { panic!() };
    assert_eq!(said["kind"], "external");
    let why = "grant EXC-1 of guardrail acme, through 2026-12-22, 30 days left: agreed";
    assert_eq!(said["justification"], why);
    let place = &said["location"]["physicalLocation"]["artifactLocation"];
    assert_eq!(place["uri"], "acme.yaml");
    // Where one result says so, all do: the others are not suppressed.
    for result in document["runs"][0]["results"].as_array().unwrap() {
        let open = !["PC0601", "PC0102"].contains(&result["ruleId"].as_str().unwrap());
        assert_eq!(result["suppressions"].as_array().unwrap().is_empty(), open, "{result:#}");
    }
}

#[test]
fn code_scanning_that_shows_them_as_open_can_have_a_report_without_them() {
    let (_, ended) = check(&["--format", "sarif", "--omit-accepted"]);
    let document = json(&ended.out);
    assert!(results(&document, "PC0601").is_empty() && results(&document, "PC0102").is_empty());
    assert!(!ended.out.contains("\"suppressions\":"), "{}", ended.out);
    assert_eq!(ended.code, check(&["--format", "sarif"]).1.code);
}

#[test]
fn what_one_guardrail_grants_and_another_refuses_is_open() {
    let document = json(&check(&["--format", "sarif", "--guardrails", "team.yaml"]).1.out);
    assert_is_sarif(&document);
    let [result] = results(&document, "PC0102")[..] else { panic!("{document:#}") };
    assert!(result["suppressions"].as_array().unwrap().is_empty(), "{result:#}");
}

#[test]
fn sarif_has_the_repair_that_check_would_make() {
    let text = "portcullis: 1\nlisteners:\n  web:\n    purpose: no\n    expose: loopback\n    port: 8080\n    forward: 127.0.0.1:3000\n";
    let file = ServiceFile::new(text);
    let path = file.path().as_os_str();
    let ended = Ended::with(["check".as_ref(), "--format".as_ref(), "sarif".as_ref(), path]);
    let document = json(&ended.out);
    assert_is_sarif(&document);
    let change = &results(&document, "PC1104")[0]["fixes"][0]["artifactChanges"][0];
    let replacement = &change["replacements"][0];
    assert_eq!(replacement["insertedContent"]["text"], "\"no\"");
    // Made by hand, it is what `--fix` makes of it.
    let region = &replacement["deletedRegion"];
    let column = |key: &str| usize::try_from(region[key].as_u64().unwrap()).unwrap() - 1;
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    let line = &mut lines[column("startLine")];
    line.replace_range(column("startColumn")..column("endColumn"), "\"no\"");
    Ended::with(["check".as_ref(), "--fix".as_ref(), path]);
    assert_eq!(fs::read_to_string(file.path()).unwrap(), lines.join("\n") + "\n");
    let report = Ended::with(["check".as_ref(), "--format".as_ref(), "sarif".as_ref(), path]);
    assert!(!report.out.contains("\"fixes\""), "{}", report.out);
}

#[test]
fn junit_has_a_case_for_every_claim_and_for_everything_expected() {
    let out = check(&["--format", "junit"]).1.out;
    let case = |name: &str| {
        let start = format!("name=\"{name}\"");
        let rest = out.split(&start).nth(1).unwrap_or_else(|| panic!("{name}: {out}"));
        rest.split("<testcase ").next().unwrap().to_owned()
    };
    let held = case("test &quot;builders only&quot;");
    assert!(!held.contains("<failure") && !held.contains("<skipped"), "{held}");
    let failed = case("test &quot;nobody at all&quot;");
    assert!(failed.contains("<failure type=\"PC1201\""), "{failed}");
    let vacuous = case("test &quot;no database is public&quot; of guardrail `acme`");
    assert!(
        vacuous.contains("<skipped message=\"nothing leads to what it speaks of\"/>"),
        "{vacuous}"
    );
    let expected = case("db: expected PC0601");
    assert!(
        expected.contains(
            "<skipped message=\"through 2026-12-01, 9 days left, the builders use it\"/>"
        )
    );
    let unfulfilled = case("web: governance");
    assert!(unfulfilled.contains("<failure type=\"PC1103\""), "{unfulfilled}");
    assert!(!out.contains(": tests\""), "a claim is a case of its own: {out}");
    assert!(out.contains("skipped=\"2\""), "{out}");
}

#[test]
fn the_summary_of_a_step_says_who_answers_for_what() {
    let (file, _) = check(&["--format", "github"]);
    let summary = fs::read_to_string(file.beside("summary.md")).unwrap();
    assert!(summary.contains("Not objected to, because somebody answers for it:"), "{summary}");
    assert!(summary.contains("This fails the check. Each row says what is wrong"), "{summary}");
    for (rule, by) in [
        ("PC0102 public-not-granted", "\\(grant EXC\\-1"),
        ("PC0601 sensitive-port-exposed", "\\(the file expects it"),
    ] {
        let is_about = |line: &&str| line.starts_with(&format!("- {rule}: "));
        let line = summary.lines().find(is_about).unwrap_or_else(|| panic!("{summary}"));
        assert!(line.contains(by), "{line}");
    }
}
