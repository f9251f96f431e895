//! A host's facts as a file, and one file judged for several hosts.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Ended, ServiceFile, portcullis};

const FILE: &str = "\
portcullis: 1
listeners:
  db:
    purpose: ledger database for the app tier
    expose: { private: { subnet: 10.20.0.0/16 } }
    port: 5432
    forward: 127.0.0.1:5433
";

/// A host with one address.
fn host(address: &str) -> Value {
    json!({
        "portcullis_facts": 1,
        "host": {
            "addresses": [{
                "address": address, "prefix": 16, "interface": "eth1",
                "tentative": false, "temporary": false,
            }],
            "links": [{ "index": 2, "name": "eth1", "up": true }],
            "unprivileged_port_start": 1024,
            "may_bind_privileged": false,
            "ephemeral_ports": [32768, 60999],
            "reserved_ports": [],
            "max_backlog": 4096,
            "ipv6": false,
            "cores": 2,
        }
    })
}

fn check(file: &ServiceFile, arguments: &[&str]) -> Ended {
    let mut command = portcullis();
    command.arg("check").args(arguments).arg("portcullis.yaml").current_dir(file.folder());
    Ended::of(command)
}

#[test]
fn facts_of_this_host_are_a_file_to_check_by() {
    let file = ServiceFile::new(
        "portcullis: 1\nlisteners:\n  web:\n    purpose: a test\n    expose: loopback\n    port: 8080\n    forward: 127.0.0.1:3000\n",
    );
    let facts = Ended::with(["facts"]);
    assert_eq!(facts.code, Some(0));
    assert_eq!(serde_json::from_str::<Value>(&facts.out).unwrap()["portcullis_facts"], 1);
    fs::write(file.beside("host.json"), facts.out).unwrap();
    assert_eq!(check(&file, &["--facts", "host.json"]).code, Some(0));
}

#[test]
fn hosts_that_answer_differently_are_told_apart() {
    let file = ServiceFile::new(FILE);
    fs::write(file.beside("a.json"), host("10.20.3.4").to_string()).unwrap();
    fs::write(file.beside("b.json"), host("10.99.3.4").to_string()).unwrap();
    let asked = check(&file, &[]);
    assert!(
        asked.code == Some(0) && asked.out.contains("only the host can answer"),
        "{}",
        asked.out
    );
    let one = check(&file, &["--facts", "a.json"]);
    assert!(one.code == Some(0) && !one.out.contains("only the host"), "{}", one.out);
    let both = check(&file, &["--facts", "a.json", "--facts", "b.json", "--format", "json"]);
    assert_eq!(both.code, Some(1));
    let report: Value = serde_json::from_str(&both.out).unwrap();
    let finding = &report["findings"][0];
    assert_eq!(finding["code"], "PC0213");
    let notes = finding["notes"].as_array().unwrap();
    assert!(notes.contains(&json!("on `b.json`, and not on `a.json`")), "{notes:?}");
    let kinds: Vec<_> = report["inputs"].as_array().unwrap().iter().map(|it| &it["kind"]).collect();
    assert_eq!(kinds, ["service", "facts", "facts"]);
    // What is so on both of them is said once, and of no host in particular.
    let same = check(&file, &["--facts", "b.json", "--facts", "b.json", "--format", "json"]);
    let report: Value = serde_json::from_str(&same.out).unwrap();
    assert_eq!(report["findings"].as_array().unwrap().len(), 1);
    assert!(!same.out.contains("and not on"), "{}", same.out);
}

#[test]
fn facts_that_cannot_be_used_are_no_finding_but_an_error() {
    let file = ServiceFile::new(FILE);
    for (text, said) in [
        (
            json!({ "portcullis_facts": 2, "host": 1 }).to_string(),
            "it is of version 2, and this program reads version 1",
        ),
        (
            "portcullis_facts: 1".to_owned(),
            "as `portcullis facts` writes it: expected value at line 1 column 1",
        ),
        (
            host("10.20.3.4").to_string().replace("\"cores\":2", "\"cores\":0"),
            "it has no processor",
        ),
    ] {
        fs::write(file.beside("host.json"), text).unwrap();
        let ended = check(&file, &["--facts", "host.json"]);
        assert_eq!((ended.code, ended.out.as_str()), (Some(3), ""));
        let start = "error: cannot use `host.json` as the facts of a host: ";
        assert!(ended.err.starts_with(start) && ended.err.contains(said), "{}", ended.err);
    }
    assert_eq!(check(&file, &["--facts", "absent.json"]).code, Some(3));
}
