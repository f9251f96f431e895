//! Tests are decided over whole sets: every address counts, however the set is spelt.

use portcullis::facts::{Facts, HostAddress};

use super::{Case, TODAY};

/// A listener for each kind of exposure.
const SERVICE: &str = r#"portcullis: 1
service: billing-edge
networks: { app: [10.20.0.0/16], web_app: [10.20.0.0/17, 10.20.128.0/17] }
upstreams:
  ledger: { backends: ["10.20.9.9:5433", "10.20.9.10:5433"] }
listeners:
  db:
    purpose: ledger database
    expose: { private: { subnet: 10.20.0.0/16 } }
    port: 5432
    clients: { allow: [app], deny: [10.20.66.0/24] }
    timeouts: { idle: 5m }
    forward: ledger
  web:
    purpose: customer API
    expose:
      v4: { public: { address: 198.51.99.10 } }
      v6: none
    port: 8443
    clients: { allow: [0.0.0.0/1, 128.0.0.0/1], deny: [8.8.8.8] }
    limits: { connections: 2000, per_client: 50 }
    timeouts: { idle: 5m }
    allow: { reason: a test }
    forward: 10.20.9.40:8443
  wg:
    purpose: a test
    expose: { interface: { name: wg0, v4: [private], v6: none } }
    port: 9100
    timeouts: { idle: 5m }
    forward: 10.20.9.50:9100
  path:
    purpose: a test
    expose: { unix: { path: /run/x.sock, mode: "0660" } }
    timeouts: { idle: 5m }
    forward: 10.20.9.60:1
  admin:
    purpose: a test
    expose: loopback
    port: 9000
    timeouts: { idle: 5m }
    forward: 10.20.9.70:1
  shut:
    purpose: a test
    expose: { loopback: { families: [v4] } }
    port: 9001
    clients: { deny: [127.0.0.0/8] }
    timeouts: { idle: 5m }
    forward: 10.20.9.80:1
  tied:
    purpose: a test
    expose: { private: { address: 10.20.3.4 } }
    port: 9002
    clients: { allow: [127.0.0.0/8] }
    timeouts: { idle: 5m }
    forward: 10.20.9.90:1
  loose:
    purpose: a test
    expose: { private: { address: 10.20.3.4, pin: none } }
    port: 9003
    clients: { allow: [127.0.0.0/8] }
    timeouts: { idle: 5m }
    forward: 10.20.9.90:1
  own:
    purpose: a test
    expose: { private: { address: 10.20.3.4 } }
    port: 9004
    clients: { allow: [10.20.3.4] }
    timeouts: { idle: 5m }
    forward: 10.20.9.90:1
"#;

/// What is found of one claim beside that service.
fn decided(claim: &str) -> Vec<&'static str> {
    let service = format!("{SERVICE}tests:\n  - {{ name: a claim, {claim} }}\n");
    let case = Case::of(&[], &service);
    let of_tests = case.findings().map(|finding| finding.code.0);
    of_tests.filter(|code| code.starts_with("PC12") || code.starts_with("PC00")).collect()
}

#[test]
fn a_claim_holds_for_every_address_or_it_fails() {
    const HOLDS: [&str; 0] = [];
    for (claim, expected) in [
        ("from: public, to: { upstream: ledger }, expect: unreachable", &HOLDS[..]),
        ("from: [public, shared], to: { upstream: ledger }, expect: invisible", &HOLDS),
        ("from: private, to: { upstream: ledger }, expect: unreachable", &["PC1201"]),
        ("from: app, to: { listener: db }, expect: served", &["PC1201"]),
        ("from: 10.20.0.0/18, to: { listener: db }, expect: served", &HOLDS),
        ("from: [10.20.0.0/18, 10.20.128.0/17], to: { listener: db }, expect: served", &HOLDS),
        ("from: 10.20.66.7, to: { listener: db }, expect: unreachable", &HOLDS),
        ("from: 10.20.66.7, to: { listener: db }, expect: invisible", &["PC1201"]),
        ("from: 10.21.0.0/16, to: { listener: db }, expect: unreachable", &HOLDS),
        // An allow-list of one family serves nobody of the other.
        ("from: \"2a00::/16\", to: { listener: web }, expect: unreachable", &HOLDS),
        ("from: public, to: { listener: web }, expect: served", &["PC1201"]),
        ("from: 9.0.0.0/8, to: { listener: web }, expect: served", &HOLDS),
        ("from: 8.0.0.0/8, to: { listener: web }, expect: served", &["PC1201"]),
        ("from: 8.8.8.8, to: { listener: web }, expect: unreachable", &HOLDS),
        ("from: all, to: { address: 10.20.9.10 }, expect: unreachable", &["PC1201"]),
        ("from: public, to: { address: \"10.20.9.10:5433\" }, expect: unreachable", &HOLDS),
        ("from: public, to: { address: \"10.20.9.10:1\" }, expect: unreachable", &["PC1202"]),
        // What is sensitive is known by the port behind the listener.
        ("from: public, to: { group: sql }, expect: unreachable", &["PC1202"]),
        ("from: public, to: { group: sqk }, expect: unreachable", &["PC1204"]),
        // The permissions of a path are for users of this host.
        ("from: public, to: { listener: path }, expect: invisible", &HOLDS),
        ("from: host, to: { listener: path }, expect: unreachable", &["PC1201"]),
        // Whether the interface has an address only the host can tell.
        ("from: 10.0.0.0/8, to: { listener: wg }, expect: served", &["PC1204"]),
        ("from: 10.0.0.0/8, to: { listener: wg }, expect: unreachable", &["PC1204"]),
        ("from: public, to: { listener: wg }, expect: invisible", &HOLDS),
        ("from: public, to: { listener: wg }, expect: served", &["PC1201"]),
        // A class is of clients on other hosts, and `host` is of processes of this one.
        ("from: private, to: { listener: admin }, expect: invisible", &HOLDS),
        ("from: all, to: { listener: admin }, expect: invisible", &["PC1201"]),
        ("from: host, to: { listener: admin }, expect: unreachable", &["PC1201"]),
        ("from: 127.0.0.0/9, to: { listener: shut }, expect: unreachable", &HOLDS),
        ("from: 127.0.0.0/9, to: { listener: shut }, expect: invisible", &["PC1201"]),
        // Without asking for another they have the address that they connect to, and no socket that
        // is tied to an interface hears them under a loopback address.
        ("from: 127.0.0.0/8, to: { listener: admin }, expect: served", &HOLDS),
        ("from: 127.0.0.0/8, to: { listener: tied }, expect: served", &["PC1201"]),
        ("from: 127.0.0.0/8, to: { listener: loose }, expect: served", &HOLDS),
        ("from: 127.0.0.0/8, to: { listener: own }, expect: served", &HOLDS),
        ("from: 127.0.0.0/8, to: { listener: db }, expect: served", &["PC1204"]),
        // They may take any address of the host, and which there are only the host can tell.
        ("from: host, to: { listener: shut }, expect: unreachable", &["PC1204"]),
        ("from: host, to: { listener: db }, expect: unreachable", &["PC1204"]),
        // Only `lo` and a list of clients keep anybody away for certain.
        ("from: public, to: { listener: admin }, expect: invisible, assume: none", &HOLDS),
        ("from: public, to: { listener: db }, expect: unreachable, assume: none", &HOLDS),
        ("from: public, to: { listener: db }, expect: invisible, assume: all", &HOLDS),
        ("from: public, to: { listener: db }, expect: invisible, assume: none", &["PC1201"]),
        ("from: public, to: { listener: wg }, expect: unreachable, assume: none", &["PC1204"]),
        ("from: app, to: { listener: db }, expect: served, assume: none", &["PC0005"]),
        ("from: app, to: { listener: db }, expect: served, assume: some", &["PC0005"]),
        ("from: public, to: { upstream: legder }, expect: unreachable", &["PC0006"]),
        ("from: public, to: { listener: dbs }, expect: unreachable", &["PC0006"]),
        ("from: apps, to: { listener: db }, expect: served", &["PC0006"]),
        ("from: [], to: { listener: db }, expect: served", &["PC1202"]),
    ] {
        assert_eq!(decided(claim), expected, "{claim}");
    }
}

#[test]
fn a_claim_of_a_guardrail_fails_at_the_listener_and_sees_its_zones() {
    let service = "portcullis: 1
service: billing-edge
listeners:
  db:
    purpose: ledger database
    expose: { shared: { address: 100.100.1.1 } }
    port: 5432
    clients: { allow: [100.64.0.0/10] }
    timeouts: { idle: 5m }
    forward: 10.20.9.9:5433
";
    let guardrail = "portcullis_guardrails: 1
name: acme-edge
may_expose: [loopback, unix, private, shared]
tests:
  - { name: no database is shared, from: [shared, public], to: { listener: db }, expect: unreachable }
  - { name: of another service, from: public, to: { listener: api }, expect: served }
";
    insta::assert_snapshot!(Case::of(&[guardrail], service).rendered());
    let zones = "zones: [{ cidr: 100.64.0.0/10, class: private, why: our overlay network }]\n";
    let case = Case::on(TODAY, None, &[&format!("{guardrail}{zones}")], service);
    assert!(case.is_accepted(), "{}", case.rendered());
}

#[test]
fn a_process_of_this_host_is_told_from_a_neighbour_by_more_than_its_address() {
    let service = |from: &str| {
        format!(
            "portcullis: 1
listeners:
  admin:
    purpose: operator API
    expose: {{ loopback: {{ families: [v4] }} }}
    port: 9000
    clients: {{ deny: [127.0.0.0/8] }}
    timeouts: {{ idle: 5m }}
    forward: 10.20.9.9:9000
tests:
  - {{ name: nobody, from: {from}, to: {{ listener: admin }}, expect: unreachable }}
"
        )
    };
    let own = |interface, address: [u8; 4]| HostAddress::stable(interface, address.into(), 8);
    let mut facts = Facts { addresses: vec![own("lo", [127, 0, 0, 1])], ..Facts::default() };
    let on = |facts: &Facts, from| Case::on(TODAY, Some(facts), &[], &service(from));
    assert!(!on(&facts, "host").codes().contains("PC1201"), "it has loopback addresses only");
    facts.addresses.push(own("eth0", [10, 20, 3, 4]));
    assert!(!on(&facts, "private").codes().contains("PC1201"), "no neighbour gets there");
    let case = on(&facts, "host");
    let shown = "a process of this host that takes 10.20.3.4 is served at 127.0.0.1:9000";
    assert!(case.rendered().contains(shown), "{}", case.rendered());
}
