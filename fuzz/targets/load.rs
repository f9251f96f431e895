//! Judges any bytes as a service file, alone and against a host, and renders what is found.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::{
    address::Date,
    compile::{Given, compile, unreadable},
    diagnostic::{
        Diagnostic, Level, human, json,
        report::{File, Input, Report},
    },
    facts::{Facts, HostAddress, Link},
    source::{Source, Span},
};

fuzz_target!(|bytes: &[u8]| {
    match Source::from_bytes("fuzz.yaml", bytes) {
        Ok(source) => {
            judge(&source, None);
            judge(&source, Some(&host()));
        }
        Err(problem) => render(&problem.shown, &[unreadable(&problem)]),
    }
});

fn judge(source: &Source, facts: Option<&Facts>) {
    let today = Date::of_unix(1_800_000_000);
    let given = Given { facts, guardrails: &[], running: None, today, allow_port_zero: false };
    let compiled = compile(source, &given);
    let refused = compiled.findings.iter().any(|finding| finding.level.refuses());
    assert!(compiled.policy.is_some() != refused, "a policy is for a file that is not refused");
    render(source, &compiled.findings);
}

/// A rendering is for a terminal, and one for programs is JSON.
fn render(source: &Source, findings: &[Diagnostic]) {
    for finding in findings {
        check(source, finding.primary.span);
        for label in &finding.related {
            check(source, label.span);
        }
    }
    let mut out = Vec::new();
    human::write(&mut out, source, findings, false).expect("a vector takes everything");
    let text = String::from_utf8(out).expect("the renderer writes text");
    let hostile = |character: char| character.is_control() && character != '\n';
    assert!(!text.contains(hostile), "{text:?}");
    let input = Input::new("service", "fuzz.yaml", source.text().as_bytes());
    let files = vec![File::new(input, source, &[], findings)];
    let (fail_on, rules, others) = (Level::Error, [].as_slice(), Vec::new());
    let report = Report { exit: 1, fail_on, rules, files, others, hidden: None };
    let mut out = Vec::new();
    json::write(&mut out, &report).expect("a vector takes everything");
    drop(serde_json::from_slice::<serde_json::Value>(&out).expect("a report is JSON"));
}

/// A span lies in the text and cuts no character.
fn check(source: &Source, span: Span) {
    assert!(source.text().get(span.range()).is_some(), "{span:?}");
}

/// A host with one address of every kind, as far as documentation has addresses for them.
fn host() -> Facts {
    let address = |interface, address: &str, prefix| {
        HostAddress::stable(interface, address.parse().expect("an address"), prefix)
    };
    Facts {
        addresses: vec![
            address("lo", "127.0.0.1", 8),
            address("lo", "::1", 128),
            address("eth0", "10.20.3.4", 16),
            address("eth0", "203.0.113.10", 24),
            address("eth0", "fe80::1", 64),
            address("eth0", "2001:db8:10::10", 64),
        ],
        links: vec![Link::up(1, "lo"), Link::up(2, "eth0")],
        unprivileged_port_start: 1024,
        max_backlog: 4096,
        may_bind_privileged: false,
        ephemeral_ports: (32768, 60999),
        reserved_ports: Vec::new(),
        descriptors: Some(1024),
        ipv6: true,
        cores: 2,
        serves_as_root: false,
        passed: None,
    }
}
