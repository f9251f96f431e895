//! The schema of the guardrail file, in the same way.

use std::{collections::BTreeSet, fs, sync::LazyLock};

use portcullis::{
    compile::guardrail,
    policy::governance::{Key, Scope},
};
use serde_json::Value;

use crate::support::Ended;

const COMMITTED: &str = include_str!("../../portcullis-guardrails.schema.json");

static VALIDATOR: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::validator_for(&serde_json::from_str(COMMITTED).unwrap()).unwrap());

const SMALLEST: &str = "\
portcullis_guardrails: 1
name: acme
may_expose: [loopback]
zones: [{ cidr: 100.100.0.0/16, class: private, why: our overlay }]
lints: { forbid: [PC0401] }
exceptions:
  require: [reason]
  max_days: 180
  grants:
    - { id: A, service: s, listener: web,
        box: { classes: [public], families: [v4], protocol: tcp, ports: [443], clients: any, upstreams: any } }
suppressions: { allowed: true, require: [reason], forbid_codes: [PC0602] }
tests:
  - { name: no database is public, from: public, to: { group: sql }, expect: unreachable }
";

fn errors(yaml: &str) -> Vec<String> {
    let value: Value = serde_yaml::from_str(yaml).unwrap();
    let place =
        |error: jsonschema::ValidationError<'_>| format!("{}: {error}", error.instance_path());
    VALIDATOR.iter_errors(&value).map(place).collect()
}

fn is_wrong(yaml: &str) -> bool {
    guardrail("guardrail.yaml", yaml.as_bytes()).is_wrong()
}

#[test]
fn the_committed_schema_is_what_the_program_prints() {
    let ended = Ended::with(["schema", "--guardrails"]);
    assert_eq!(ended.code, Some(0));
    let cure = "run `portcullis schema --guardrails > portcullis-guardrails.schema.json`";
    assert!(ended.out == COMMITTED, "{cure}");
}

/// Every guardrail in a fence of a page, and that of the README.
fn examples() -> Vec<String> {
    let mut found = Vec::new();
    let readme = fs::read_to_string("README.md").unwrap();
    for page in portcullis::lint::ALL.iter().map(|rule| rule.page).chain([readme.as_str()]) {
        let fences = page.split("```yaml").skip(1).map(|block| block.split("```").next().unwrap());
        let texts = fences.filter_map(|block| Some(block.split_once('\n')?.1.to_owned()));
        found.extend(texts.filter(|text| text.starts_with("portcullis_guardrails:")));
    }
    found
}

#[test]
fn every_guardrail_that_is_an_example_follows_the_schema() {
    let mut texts = examples();
    assert!(texts.len() > 10, "{}", texts.len());
    for file in ["guardrails/edge.yaml", "review/guardrails/acme-edge.yaml"] {
        texts.push(fs::read_to_string(format!("examples/{file}")).unwrap());
    }
    for text in texts {
        // One that is an example of a mistake is wrong to both, or only to the program.
        assert!(errors(&text).is_empty() || is_wrong(&text), "{text}\n{:?}", errors(&text));
    }
}

#[test]
fn what_the_schema_refuses_the_program_refuses() {
    assert_eq!((errors(SMALLEST), is_wrong(SMALLEST)), (Vec::new(), false));
    for (from, to) in [
        ("portcullis_guardrails: 1\n", ""),
        ("name: acme\n", ""),
        ("may_expose: [loopback]\n", ""),
        ("may_expose: [loopback]", "may_expose: [localhost]"),
        ("may_expose: [loopback]", "may_expose: loopback"),
        ("class: private", "class: any"),
        (", why: our overlay", ""),
        ("require: [reason]\n", "require: [sponsor]\n"),
        ("max_days: 180", "max_days: soon"),
        ("id: A, ", ""),
        ("service: s, ", ""),
        ("classes: [public], ", ""),
        (", upstreams: any", ""),
        ("protocol: tcp", "protocol: sctp"),
        ("families: [v4]", "families: [ipv4]"),
        ("ports: [443]", "ports: 443"),
        ("allowed: true, require: [reason]", "allowed: true, require: [ticket]"),
        ("expect: unreachable", "expect: unseen"),
        ("to: { group: sql }", "to: { group: sql, listener: web }"),
        ("to: { group: sql }", "to: {}"),
        ("tests:", "test:"),
    ] {
        let text = SMALLEST.replacen(from, to, 1);
        assert_ne!(text, SMALLEST, "{from}");
        assert_ne!(errors(&text), [""; 0], "{to}");
        assert!(is_wrong(&text), "{to}");
    }
}

#[test]
fn the_words_of_the_schema_are_those_of_the_language() {
    let schema: Value = serde_json::from_str(COMMITTED).unwrap();
    let words = |path: &str| -> BTreeSet<String> {
        let list = schema.pointer(path).unwrap().as_array().unwrap();
        list.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let scopes = Scope::ALL.map(|scope| scope.word().to_owned());
    assert_eq!(words("/properties/may_expose/items/enum"), BTreeSet::from(scopes));
    let keys = Key::WORDS.map(|(word, _)| word.to_owned());
    assert_eq!(words("/$defs/Exceptions/properties/require/items/enum"), BTreeSet::from(keys));
}
