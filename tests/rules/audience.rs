//! Whom a listener serves, and what that is worth to the rules that ask.

use std::{collections::BTreeSet, fmt::Write, time::Instant};

use super::{codes, host, judge};

/// The findings of one listener, as code and level.
fn fired(expose: &str, rest: &str) -> Vec<String> {
    let text = format!(
        "portcullis: 1\nlisteners:\n  it:\n    purpose: a test\n    timeouts: {{ idle: 5m }}\n    \
         limits: {{ connections: 100 }}\n    expose: {expose}\n    {}\n",
        rest.replace('\n', "\n    ")
    );
    let (_, alone) = judge(&text, None);
    let seen = |compiled: portcullis::compile::Compiled| -> Vec<String> {
        let findings = compiled.findings.into_iter();
        findings.map(|finding| format!("{} {:?}", finding.code, finding.level)).collect()
    };
    let (alone, here) = (seen(alone), seen(judge(&text, Some(&host::facts())).1));
    assert_eq!(alone, here, "the host changes it:\n{text}");
    alone
}

const ANY: &str = "{ any: { families: [v4] } }";
const PUBLIC: &str = "{ v4: { public: { interface: wan0 } }, v6: none }";
const SHARED: &str = "{ shared: { address: 100.100.7.7 } }";
const PRIVATE: &str = "{ private: { subnet: 10.20.0.0/16 } }";
const ALLOW: &str = "allow: { reason: a test }";

#[test]
fn a_sensitive_port_weighs_by_whom_it_is_offered_to() {
    for (expose, port, clients, expected) in [
        (PUBLIC, 5432, "", &["PC0601 Error"][..]),
        (ANY, 5432, "", &["PC0601 Error"]),
        (SHARED, 5432, "", &["PC0601 Error"]),
        (PRIVATE, 5432, "", &[]),
        ("loopback", 5432, "", &[]),
        // A look into the host is too much for everybody on a private network, too.
        (PRIVATE, 2375, "", &["PC0601 Warn"]),
        (PRIVATE, 2375, "allow: [10.20.7.7]", &[]),
        (PRIVATE, 2375, "deny: [10.20.7.7]", &["PC0601 Warn"]),
        // What protects itself is a warning for the internet.
        (PUBLIC, 6443, "", &["PC0601 Warn"]),
        (PRIVATE, 6443, "", &[]),
        // Named strangers are a warning, and private clients of a public listener are its own.
        (PUBLIC, 5432, "allow: [8.8.4.0/24]", &["PC0109 Warn", "PC0601 Warn"]),
        (ANY, 5432, "allow: [10.0.0.0/8]", &["PC0109 Warn"]),
        (ANY, 5432, "allow: [100.100.0.0/16]", &["PC0109 Warn", "PC0601 Warn"]),
        (ANY, 5432, "deny: [8.8.4.0/24]", &["PC0601 Error"]),
        (SHARED, 5432, "allow: [100.100.7.0/24]", &["PC0601 Warn"]),
        // An allow-list that is everyone names nobody.
        (PUBLIC, 5432, "allow: [0.0.0.0/1, 128.0.0.0/1]", &["PC0601 Error", "PC0104 Error"]),
        (PUBLIC, 5433, "", &[]),
    ] {
        let clients =
            if clients.is_empty() { String::new() } else { format!("\nclients: {{ {clients} }}") };
        let rest = format!("port: {port}{clients}\n{ALLOW}\nforward: 10.20.9.9:7777");
        let found: BTreeSet<_> = fired(expose, &rest).into_iter().collect();
        let expected: BTreeSet<_> = expected.iter().map(|it| (*it).to_owned()).collect();
        assert_eq!(found, expected, "{expose} {port} {clients}");
    }
}

#[test]
fn what_answers_counts_more_than_the_port_it_is_offered_on() {
    for (port, forward, expected) in [
        (8443, "10.20.9.9:5432", &["PC0602 Forbid"][..]),
        (5432, "10.20.9.9:5432", &["PC0602 Forbid"]),
        // The port that the client asked for.
        (5432, "10.20.9.9", &["PC0602 Forbid"]),
        (8443, "{ unix: /run/postgresql/.s.PGSQL.5432 }", &["PC0602 Forbid"]),
        (8443, "{ unix: /var/run/docker.sock }", &["PC0602 Forbid"]),
        (8443, "{ unix: /run/billing/api.sock }", &[]),
        (8443, "10.20.9.9:22", &["PC0602 Warn"]),
        // Two services, two causes.
        (6379, "10.20.9.9:5432", &["PC0601 Error", "PC0602 Forbid"]),
    ] {
        let rest = format!("port: {port}\n{ALLOW}\nforward: {forward}");
        assert_eq!(fired(PUBLIC, &rest), expected, "{port} {forward}");
        let rest = format!("port: {port}\nforward: {forward}");
        assert!(fired("loopback", &rest).is_empty(), "{port} {forward}");
    }
    // The status page answers, whatever the port.
    assert!(fired(PUBLIC, &format!("port: 5432\n{ALLOW}\nserve: status")).is_empty());
}

#[test]
fn a_wrapped_address_leads_where_it_leads() {
    for (forward, expected) in [
        ("169.254.169.254:80", &["PC0603 Forbid"][..]),
        ("169.254.170.2", &["PC0603 Forbid"]),
        ("\"[fd00:ec2::254]:80\"", &["PC0603 Forbid"]),
        ("\"[64:ff9b::169.254.169.254]:80\"", &["PC0603 Forbid"]),
        ("\"[2002:a9fe:a9fe::1]:80\"", &["PC0603 Forbid"]),
        ("\"[2001:0:4136:e378:8000:63bf:5601:5601]:80\"", &["PC0603 Forbid"]),
        ("169.254.169.253:80", &[]),
        ("\"[64:ff9b::10.0.0.1]:80\"", &["PC0211 Warn"]),
        ("\"[::10.0.0.1]:80\"", &["PC0211 Warn"]),
        ("\"[fc00::1]:80\"", &["PC0205 Warn"]),
        ("\"[fd00::1]:80\"", &[]),
    ] {
        assert_eq!(
            fired("loopback", &format!("port: 8080\nforward: {forward}")),
            expected,
            "{forward}"
        );
    }
}

#[test]
fn shared_space_is_signed_for_or_names_its_clients() {
    for (rest, expected) in [
        ("", &["PC0105 Error"][..]),
        ("clients: { allow: [100.100.0.0/16] }", &[]),
        ("clients: { deny: [100.100.0.0/16] }", &["PC0105 Error"]),
        ("allow: { reason: a test }", &[]),
        ("allow: { reason: a test, expires: 2020-01-31 }", &["PC0105 Error"]),
        ("clients: { allow: [0.0.0.0/0] }", &["PC0104 Error"]),
        ("clients: { allow: [100.100.0.0/16, 8.8.4.4] }", &["PC0106 Warn"]),
    ] {
        let rest = format!("port: 8080\n{rest}\nforward: 10.20.9.9:7777");
        assert_eq!(fired(SHARED, &rest), expected, "{rest}");
    }
    let both = "{ interface: { name: overlay0, v4: [private, shared], v6: none } }";
    assert_eq!(fired(both, "port: 8080\nforward: 10.20.9.9:7777"), ["PC0105 Error"]);
}

#[test]
fn no_bound_at_all_is_what_the_internet_may_not_have() {
    let text = |expose: &str, limits: &str| {
        format!(
            "portcullis: 1\nlisteners:\n  it: {{ purpose: a test, timeouts: {{ idle: 5m }}, {ALLOW}, \
             expose: {expose}, port: 8080, {limits} forward: 10.20.9.9:7777 }}\n"
        )
    };
    for expose in [PUBLIC, ANY] {
        assert_eq!(codes(&text(expose, ""), None), ["PC0803"].into());
        for limits in ["limits: { connections: 5 },", "limits: { per_client: 5 },"] {
            assert_eq!(codes(&text(expose, limits), None), [].into(), "{limits}");
        }
    }
    for expose in [SHARED, PRIVATE, "loopback"] {
        assert_eq!(codes(&text(expose, ""), None), [].into(), "{expose}");
    }
}

#[test]
fn connections_are_added_up_before_they_are_held_against_descriptors() {
    let mut facts = host::facts();
    facts.descriptors = Some(1000);
    let text = |first: u32, second: u32| {
        format!(
            "portcullis: 1\nlisteners:\n  a: {{ expose: loopback, port: 8080, limits: {{ connections: {first} }}, \
             forward: 10.20.9.9:1 }}\n  b: {{ expose: loopback, port: 8081, limits: {{ connections: {second} }}, \
             forward: 10.20.9.9:1 }}\n"
        )
    };
    for (first, second, fires) in [(250, 250, false), (250, 251, true), (501, 1, true)] {
        let expected = if fires { vec!["PC0805"] } else { vec![] };
        assert!(codes(&text(first, second), Some(&facts)).iter().eq(&expected), "{first} {second}");
    }
    facts.descriptors = None;
    assert_eq!(codes(&text(60_000, 60_000), Some(&facts)), [].into());
}

#[test]
fn names_are_used_or_noted_but_not_while_something_cannot_be_read() {
    let text = |clients: &str, port: &str| {
        format!(
            "portcullis: 1\nnetworks: {{ a: [10.0.0.0/8, \"fd00::/8\"], b: [10.1.0.0/16] }}\n\
             upstreams: {{ u: {{ backends: [10.20.9.9:7777] }} }}\nlisteners:\n  \
             it: {{ expose: loopback, port: {port}, clients: {{ {clients} }}, forward: u }}\n"
        )
    };
    assert_eq!(codes(&text("allow: [a], deny: [b]", "8080"), None), [].into());
    assert_eq!(codes(&text("allow: [a]", "8080"), None), ["PC1106"].into());
    assert_eq!(codes(&text("allow: [a]", "eighty"), None), ["PC0004"].into());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is measured")]
fn ten_thousand_listeners_are_judged_in_a_moment() {
    let mut text = "portcullis: 1\nupstreams:\n  u:\n    backends:\n".to_owned();
    for last in 0..50 {
        writeln!(text, "      - 10.30.0.{last}:5432").unwrap();
    }
    text += "listeners:\n";
    for at in 0..10_000 {
        let (third, last) = (at / 250, at % 250);
        // Few enough to be listed in full.
        let stranger = if at % 100 == 0 { ", 8.8.4.4" } else { "" };
        writeln!(
            text,
            "  l{at}: {{ purpose: a test, expose: {{ private: {{ address: 10.20.{third}.{last} }} }}, \
             port: 5432, clients: {{ allow: [10.0.0.0/8{stranger}] }}, forward: u }}"
        )
        .unwrap();
    }
    let started = Instant::now();
    let found = codes(&text, None);
    assert_eq!(found, ["PC0106"].into());
    // Generous, for a slow build on a busy machine: quadratic work would take minutes.
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}
