//! The JSON Schema that editors use: it is the program's, and every example follows it.

mod guardrail;

use std::{fs, path::PathBuf, sync::LazyLock};

use serde_json::Value;

use crate::support::{Ended, ServiceFile};

const COMMITTED: &str = include_str!("../portcullis.schema.json");

static VALIDATOR: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::validator_for(&serde_json::from_str(COMMITTED).unwrap()).unwrap());

const SMALLEST: &str = "\
portcullis: 1
listeners:
  web:
    purpose: a test
    expose: loopback
    port: 8080
    forward: 127.0.0.1:3000
";

fn errors(yaml: &str) -> Vec<String> {
    let value: Value = serde_yaml::from_str(yaml).unwrap();
    let place =
        |error: jsonschema::ValidationError<'_>| format!("{}: {error}", error.instance_path());
    VALIDATOR.iter_errors(&value).map(place).collect()
}

#[test]
fn the_committed_schema_is_what_the_program_prints() {
    let ended = Ended::with(["schema"]);
    assert_eq!(ended.code, Some(0));
    assert!(ended.out == COMMITTED, "run `portcullis schema > portcullis.schema.json`");
}

#[test]
fn every_example_follows_the_schema() {
    let mut files: Vec<PathBuf> =
        fs::read_dir("examples").unwrap().map(|it| it.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|it| it == "yaml"));
    assert!(!files.is_empty());
    files.extend(["config.example.yaml", "src/config/tests/everything.yaml"].map(PathBuf::from));
    files.push("examples/review/services/billing/portcullis.yaml".into());
    for path in files {
        assert_eq!(errors(&fs::read_to_string(&path).unwrap()), [""; 0], "{}", path.display());
    }
}

#[test]
fn every_good_example_of_a_rule_follows_the_schema() {
    for rule in portcullis::lint::ALL {
        for block in rule.page.split("```yaml good\n").skip(1) {
            assert_eq!(errors(block.split("```").next().unwrap()), [""; 0], "{}", rule.name);
        }
    }
}

#[test]
fn what_the_schema_refuses_the_program_refuses() {
    assert_eq!(errors(SMALLEST), [""; 0]);
    for (from, to) in [
        ("portcullis: 1\n", ""),
        ("portcullis: 1", "portcullis: one"),
        ("    expose: loopback\n", ""),
        ("expose: loopback", "expose: [loopback]"),
        ("expose: loopback", "expose: { private: { adress: 10.0.0.1 } }"),
        ("expose: loopback", "expose: { unix: { path: /run/x } }"),
        ("expose: loopback", "expose: { interface: { v4: [private] } }"),
        ("port: 8080", "port: 65536"),
        ("port: 8080", "prt: 8080"),
        ("  web:", "  Web:"),
        ("forward: 127.0.0.1:3000", "forward: 3000"),
        ("forward: 127.0.0.1:3000", "forward: {}"),
        ("port: 8080", "port: 8080\n    protocol: sctp"),
        ("port: 8080", "port: 8080\n    timeouts: { idle: 30 }"),
        ("port: 8080", "port: 8080\n    allow: { owner: me }"),
        ("port: 8080", "port: 8080\n    fanout: 0"),
        ("port: 8080", "ports: [a-b]"),
        ("port: 8080", "ports: 8080"),
    ] {
        let text = SMALLEST.replace(from, to);
        assert_ne!(text, SMALLEST, "{from}");
        assert_ne!(errors(&text), [""; 0], "{to}");
        let file = ServiceFile::new(&text);
        let ended = Ended::with(["check".as_ref(), file.path().as_os_str()]);
        assert_eq!(ended.code, Some(1), "{to}: {}", ended.out);
    }
}

#[test]
fn keys_that_do_not_work_yet_say_so() {
    let schema: Value = serde_json::from_str(COMMITTED).unwrap();
    let about = |path: &str| schema.pointer(path).unwrap()["description"].as_str().unwrap();
    let later = "NOT SUPPORTED YET: using it is an error (PC0009). ";
    assert!(about("/$defs/Upstream/properties/health").starts_with(later));
    assert!(about("/$defs/Connect/properties/send_proxy").starts_with(later));
    assert!(!about("/$defs/Upstream/properties/backends").contains("NOT SUPPORTED"));
    assert!(about("/$defs/Listener/properties/protocol").contains("Not supported yet: `udp`"));
    assert!(!COMMITTED.contains("x-not-yet"));
}
