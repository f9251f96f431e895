//! What the commands say of guardrails, and how they end.

use std::{fs, path::PathBuf};

use crate::support::Ended;

const SERVICE: &str = "portcullis: 1
service: billing-edge
listeners:
  db:
    expose: { shared: { address: 100.100.1.1 } }
    port: 7000
    clients: { allow: [100.100.0.0/16] }
    timeouts: { idle: 5m }
    forward: 10.20.9.9:7000
expect:
  - { code: PC1108, listener: db, reason: \"everybody\\x1b knows it\" }
";

const GUARDRAIL: &str = "portcullis_guardrails: 1
name: acme-edge
may_expose: [loopback]
exceptions:
  grants:
    - { id: EXC-1, service: billing-edge, listener: db, expires: 2026-12-31,
        box: { classes: [shared], families: [v4], protocol: tcp, ports: [7000],
               clients: [100.100.0.0/16], upstreams: [\"10.20.9.9:7000\"] } }
";

/// A folder with the service file and guardrails, and `check` of it on this day.
fn check(guardrails: &[(&str, &str)], day: &str) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let mut arguments = vec!["check".into(), "--now".into(), day.into()];
    for (name, text) in guardrails {
        arguments.extend(["--guardrails".into(), put(name, text).into_os_string()]);
    }
    arguments.push(put("service.yaml", SERVICE).into_os_string());
    let mut ended = Ended::with(arguments);
    ended.out = ended.out.replace(folder.path().to_str().unwrap(), "");
    ended
}

#[test]
fn says_who_let_what_pass_and_what_was_expected() {
    let ended = check(&[("guardrail.yaml", GUARDRAIL)], "2026-12-30");
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{}", ended.out);
    insta::assert_snapshot!(ended.out, @r"
    governance: acme-edge: /service.yaml: db: grant EXC-1, 1 day left
    expected: /service.yaml: db: PC1108: everybody\u{1b} knows it
    check: 0 errors, 0 warnings in 1 file; 1 listener
    ");
}

#[test]
fn a_grant_that_has_ended_fails_the_check_in_both_files() {
    let ended = check(&[("guardrail.yaml", GUARDRAIL)], "2027-01-01");
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("PC0113") && ended.out.contains("/service.yaml:5"), "{}", ended.out);
    assert!(ended.out.contains("PC1101") && ended.out.contains("/guardrail.yaml:6"));
}

#[test]
fn every_guardrail_is_held_for_itself() {
    let other = GUARDRAIL.replace("acme-edge", "this-host").replace("7000]", "7001]");
    let ended = check(&[("a.yaml", GUARDRAIL), ("b.yaml", &other)], "2026-12-30");
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("guardrail `this-host` has no grant that holds all of it"));
    assert!(ended.out.contains("outside the nearest, EXC-1: port 7000"), "{}", ended.out);
}

#[test]
fn a_guardrail_that_is_not_there_is_no_guardrail_but_no_judgement_either() {
    let ended = Ended::with(["check", "--guardrails", "absent.yaml", "config.example.yaml"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(3), ""));
    assert!(ended.err.starts_with("error: cannot read the guardrails in `absent.yaml`: "));
    let ended = Ended::with(["check", "--now", "tomorrow", "config.example.yaml"]);
    assert_eq!(ended.code, Some(2));
}
