//! A grant is a box: what is outside is refused, and the finding says what that is.

use super::Case;

const SERVICE: &str = "portcullis: 1
service: billing-edge
listeners:
  web:
    purpose: customer API
    expose:
      v4: { public: { address: 198.51.99.10 } }
      v6: none
    port: 443
    clients: { allow: [198.51.100.0/24] }
    timeouts: { idle: 5m }
    limits: { connections: 2000, per_client: 50 }
    allow: { reason: customers connect from the internet, grant: EXC-1 }
    forward: 10.20.9.9:8443
";

const GUARDRAIL: &str = "portcullis_guardrails: 1
name: acme-edge
policy_owner: security@example.com
may_expose: [loopback, unix, private]
exceptions:
  grants:
    - id: EXC-1
      service: billing-edge
      listener: web
      box: { classes: [public], families: [v4], protocol: tcp, ports: [443], clients: [198.51.100.0/24],
             upstreams: [\"10.20.9.9:8443\"] }
      approved_on: 2026-09-20
      expires: 2026-12-31
";

/// The codes that refuse it after one change to the service, and one to the guardrail.
fn codes(service: (&str, &str), guardrail: (&str, &str)) -> Vec<&'static str> {
    let change = |text: &str, (from, to): (&str, &str)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    };
    let case = Case::of(&[&change(GUARDRAIL, guardrail)], &change(SERVICE, service));
    let refusing = case.compiled.findings.iter().filter(|finding| finding.level.refuses());
    refusing.map(|finding| finding.code.0).collect()
}

const SAME: (&str, &str) = ("", "");

#[test]
fn what_is_inside_the_box_passes() {
    let case = Case::of(&[GUARDRAIL], SERVICE);
    assert!(case.is_accepted(), "{}", case.rendered());
}

#[test]
fn what_is_outside_the_box_is_refused() {
    for service in [
        ("port: 443", "port: 8443"),
        ("port: 443", "ports: [443-444]"),
        ("allow: [198.51.100.0/24]", "allow: [198.51.100.0/23]"),
        ("    clients: { allow: [198.51.100.0/24] }\n", ""),
        ("v6: none", "v6: { public: { address: \"2a00:1450::1\" } }"),
        ("10.20.9.9:8443", "10.20.9.10:8443"),
        ("  web:", "  web2:"),
        ("billing-edge", "billing"),
        ("service: billing-edge\n", ""),
    ] {
        assert!(codes(service, SAME).contains(&"PC0102"), "{service:?}");
    }
}

#[test]
fn a_wider_box_holds_it_too() {
    for guardrail in [
        ("ports: [443]", "ports: [1-442, 443, 444-65535]"),
        ("clients: [198.51.100.0/24]", "clients: any"),
        ("clients: [198.51.100.0/24]", "clients: [198.51.100.0/25, 198.51.100.128/25]"),
        ("upstreams: [\"10.20.9.9:8443\"]", "upstreams: any"),
        ("classes: [public]", "classes: [any]"),
        ("families: [v4]", "families: [v6, v4]"),
    ] {
        assert_eq!(codes(SAME, guardrail), [""; 0], "{guardrail:?}");
    }
}

#[test]
fn a_grant_holds_from_its_first_day_through_its_last_in_utc() {
    for (day, holds) in
        [("2026-09-19", false), ("2026-09-20", true), ("2026-12-31", true), ("2027-01-01", false)]
    {
        let case = Case::on(day, None, &[GUARDRAIL], SERVICE);
        assert_eq!(case.is_accepted(), holds, "{day}");
        assert_eq!(case.codes().contains("PC0102"), !holds, "{day}");
    }
    for end in ["2026-12-32", "end of year", "\"\""] {
        assert_eq!(codes(SAME, ("2026-12-31", end)), ["PC0102"], "{end}");
    }
}

#[test]
fn the_service_still_signs_and_a_grant_does_not_sign_for_it() {
    let unsigned = "    allow: { reason: customers connect from the internet, grant: EXC-1 }\n";
    assert_eq!(codes((unsigned, ""), SAME), ["PC0102"]);
}

#[test]
fn the_finding_says_what_is_outside_the_nearest_box() {
    let wider = SERVICE.replace("port: 443", "ports: [443, 8443]").replace(".0/24", ".0/23");
    insta::assert_snapshot!(Case::of(&[GUARDRAIL], &wider).rendered());
    let bare = GUARDRAIL.split("exceptions:").next().unwrap();
    insta::assert_snapshot!(Case::of(&[bare], SERVICE).rendered());
}

#[test]
fn without_a_guardrail_the_file_signs_for_itself() {
    assert!(Case::of(&[], SERVICE).is_accepted());
}

#[test]
fn a_guardrail_that_cannot_be_read_refuses_every_file() {
    let loopback =
        "portcullis: 1\nlisteners:\n  web: { expose: loopback, port: 80, forward: 127.0.0.1:81 }\n";
    assert!(Case::of(&[GUARDRAIL], loopback).is_accepted());
    for broken in ["", "[", "portcullis_guardrails: 2", "name: x", "portcullis: 1", "a: *b"] {
        let case = Case::of(&[broken], loopback);
        assert!(!case.is_accepted(), "{broken}");
        assert!(case.compiled.findings.is_empty() && !case.compiled.of_guardrails[0].is_empty());
    }
}

#[test]
fn mistakes_in_a_guardrail_have_a_place_and_a_cure() {
    let wrong = "portcullis_guardrails: 1
name: acme-edge
may_expose: [loopback, privat]
private_means: [10.0.0.1/8]
zones:
  - { cidr: 100.100.0.0/16, class: private, why: our overlay network }
  - { cidr: 100.100.7.0/24, class: public, why: a customer of ours }
  - { cidr: 100.101.0.0/16, class: any }
lints: { forbid: [PC0301], warn: [PC0301] }
exceptions:
  require: [reason, tickets]
  ticket_pattern: '^(SEC|NET-\\d+$'
  grants:
    - { id: A, service: x, listener: y, approved_on: soon, box: { classes: [public], families: [v5], ports: [443] } }
    - { id: B, service: x, listener: y, box: { classes: [unix], upstreams: any } }
    - { id: B, service: x, listener: z, box: { classes: [unix], upstreams: any } }
tests:
  - { name: one, from: intranet, to: { listener: db, upstream: db }, expect: unreachable }
  - { name: two, from: all, to: {}, expect: hidden }
";
    let case = Case::of(&[wrong], SERVICE);
    let mut of_guardrail = Vec::new();
    portcullis::diagnostic::human::write(
        &mut of_guardrail,
        &case.guardrails[0].source,
        &case.guardrails[0].findings,
        false,
    )
    .unwrap();
    insta::assert_snapshot!(String::from_utf8(of_guardrail).unwrap());
}
