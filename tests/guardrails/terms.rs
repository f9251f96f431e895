//! Exceptions that are wrong, each with a finding of its own, a place and a cure.

use super::Case;

const SERVICE: &str = "portcullis: 1
service: billing-edge
listeners:
  web:
    purpose: customer API
    expose:
      v4: { public: { address: 198.51.99.10 } }
      v6: none
    port: 8443
    allow: { reason: customers connect from the internet }
    timeouts: { idle: 5m }
    limits: { connections: 2000, per_client: 50 }
    forward: 10.20.9.9:8443
";

const HEAD: &str = "portcullis_guardrails: 1
name: acme-edge
policy_owner: security@example.com
may_expose: [loopback, unix, private]
";

/// A guardrail with these grants.
fn granting(grants: &str) -> String {
    format!("{HEAD}exceptions:\n  grants:\n{grants}")
}

fn grant(id: &str, listener: &str, ports: &str, days: &str) -> String {
    format!(
        "    - {{ id: {id}, service: billing-edge, listener: {listener}, {days},\n        \
         box: {{ classes: [public], families: [v4], protocol: tcp, ports: [{ports}], clients: any,\n               \
         upstreams: [\"10.20.9.9:8443\"] }} }}\n"
    )
}

const DAYS: &str = "approved_on: 2026-09-20, expires: 2027-03-18";

#[test]
fn two_guardrails_that_contradict() {
    let other =
        HEAD.replace("acme-edge", "this-host").replace("[loopback, unix, private]", "[public]");
    let host = format!("{other}lints: {{ warn: [PC0401] }}\n");
    let case = Case::of(&[&granting(&grant("A", "web", "8443", DAYS)), &host], SERVICE);
    insta::assert_snapshot!(case.rendered());
    assert!(case.is_accepted(), "each of them lets it pass");
}

#[test]
fn a_grant_for_a_listener_that_does_not_exist() {
    let both = grant("A", "web", "8443", DAYS) + &grant("B", "wbe", "8443", DAYS);
    insta::assert_snapshot!(Case::of(&[&granting(&both)], SERVICE).rendered());
}

#[test]
fn an_expired_grant() {
    for days in ["expires: 2026-11-21", "expires: next week"] {
        let case = Case::of(&[&granting(&grant("A", "web", "8443", days))], SERVICE);
        insta::assert_snapshot!(case.rendered());
        assert!(!case.is_accepted());
    }
}

#[test]
fn overlapping_exceptions() {
    let both = grant("A", "web", "8000-8443", DAYS) + &grant("B", "web", "8443-9000", DAYS);
    let case = Case::of(&[&granting(&both)], SERVICE);
    insta::assert_snapshot!(case.rendered());
    assert!(!case.is_accepted());
    let apart = grant("A", "web", "8443", DAYS) + &grant("B", "web", "8444", DAYS);
    assert!(!Case::of(&[&granting(&apart)], SERVICE).codes().contains("PC1109"));
}

#[test]
fn a_box_wider_than_the_listener() {
    let wide = grant("A", "web", "8000-8443", DAYS)
        .replace("families: [v4]", "families: [v4, v6]")
        .replace("upstreams: [\"10.20.9.9:8443\"]", "upstreams: any");
    let narrow =
        SERVICE.replace("    timeouts", "    clients: { allow: [9.9.9.0/24] }\n    timeouts");
    let case = Case::of(&[&granting(&wide)], &narrow);
    insta::assert_snapshot!(case.rendered());
    assert!(case.is_accepted());
}

#[test]
fn a_test_whose_source_set_is_empty() {
    let service = SERVICE.replace("listeners:", "networks: { old_office: [] }\nlisteners:")
        + "tests:\n  - { name: the old office is out, from: old_office, to: { listener: web }, expect: unreachable }\n";
    let own = "tests:\n  - { name: nobody gets in, from: [], to: { listener: web }, expect: invisible }\n";
    let guardrail = granting(&grant("A", "web", "8443", DAYS)) + own;
    insta::assert_snapshot!(Case::of(&[&guardrail], &service).rendered());
}

#[test]
fn an_exception_says_what_is_demanded_and_ends_in_time() {
    let terms = "exceptions:
  require: [reason, owner, ticket, expires, grant, approved_by]
  max_days: 30
  ticket_pattern: '^(SEC|NET)-\\d+$'
  warn_before_days: 10
  grants:
    - { id: A, service: billing-edge, listener: web, ticket: sec 4711, expires: 2026-11-30, approved_on: 2026-10-30,
        box: { classes: [public], families: [v4], protocol: tcp, ports: [8443], clients: any, upstreams: any } }
";
    let signed =
        SERVICE.replace("internet }", "internet, ticket: SEC-4711x, expires: 2027-11-30 }");
    insta::assert_snapshot!(Case::of(&[&format!("{HEAD}{terms}")], &signed).rendered());
}

#[test]
fn a_signature_that_relies_on_a_grant_which_nobody_has_given() {
    let signed = SERVICE.replace("internet }", "internet, grant: a }");
    let case = Case::of(&[&granting(&grant("A", "web", "8443", DAYS))], &signed);
    insta::assert_snapshot!(case.rendered());
    assert!(!case.is_accepted());
}

#[test]
fn a_guardrail_raises_a_level_and_never_lowers_one() {
    let free = HEAD.replace("private]", "private, public]");
    let unsaid = SERVICE.replace("    purpose: customer API\n", "");
    let expected = format!("{unsaid}expect: [{{ code: PC1108, listener: web, reason: a test }}]\n");
    assert!(Case::of(&[&free], &unsaid).is_accepted());
    for level in ["forbid", "error"] {
        let raised = format!("{free}lints: {{ {level}: [PC1108] }}\n");
        assert!(!Case::of(&[&raised], &unsaid).is_accepted(), "{level}");
        // What is forbidden cannot be expected away either.
        assert_eq!(Case::of(&[&raised], &expected).is_accepted(), level == "error");
        // The strictest of several decides, whatever their order.
        let lower = format!("{free}lints: {{ warn: [PC1108] }}\n");
        for both in [[&*raised, &*lower], [&*lower, &*raised]] {
            assert!(!Case::of(&both, &unsaid).is_accepted());
        }
    }
    let lowered = format!("{free}lints: {{ warn: [PC0102] }}\n");
    let unsigned =
        SERVICE.replace("    allow: { reason: customers connect from the internet }\n", "");
    assert!(!Case::of(&[&lowered], &unsigned).is_accepted());
}

#[test]
fn what_may_be_expected_away_is_up_to_the_guardrail() {
    let free = HEAD.replace("private]", "private, public]");
    let unsaid = SERVICE.replace("    purpose: customer API\n", "");
    let entry = "{ code: PC1108, listener: web, reason: a test, expires: 2026-12-31 }";
    let expected = format!("{unsaid}expect: [{entry}]\n");
    let case = Case::of(&[&free], &expected);
    assert_eq!(case.rendered(), "");
    assert_eq!(case.compiled.suppressed.len(), 1);
    assert_eq!(case.compiled.suppressed[0].reason, "a test");
    let unexpected = Case::of(&[&free], &unsaid).compiled.policy;
    assert_eq!(case.compiled.policy, unexpected, "what is expected changes words, not meaning");
    for (suppressions, code) in [
        ("allowed: false", "PC1103"),
        ("forbid_codes: [PC1108]", "PC1103"),
        ("require: [owner]", "PC1113"),
        ("max_days: 30", "PC1112"),
    ] {
        let guardrail = format!("{free}suppressions: {{ {suppressions} }}\n");
        let case = Case::of(&[&guardrail], &expected);
        assert!(case.codes().contains(code), "{suppressions}\n{}", case.rendered());
        assert!(!case.is_accepted());
    }
}

#[test]
fn an_expectation_sets_aside_one_finding_of_one_listener_until_it_ends() {
    let both = "portcullis: 1
listeners:
  a: { expose: { private: { address: 10.0.0.1 } }, port: 1025, forward: 10.0.0.2:1 }
  b: { expose: { private: { address: 10.0.0.1 } }, port: 1026, forward: 10.0.0.2:1 }
expect:
  - { code: PC1108, listener: a, reason: a test, expires: 2026-11-22 }
";
    let left = |case: &Case| -> Vec<(String, &str)> {
        let name = |one: &Option<String>| one.clone().unwrap_or_default();
        case.findings().map(|finding| (name(&finding.listener), finding.code.0)).collect()
    };
    assert_eq!(left(&Case::of(&[], both)), [("b".to_owned(), "PC1108")]);
    let after = Case::on("2026-11-23", None, &[], both);
    assert_eq!(after.codes(), ["PC1101", "PC1108"].into());
    assert!(!after.is_accepted());
    for (wrong, code) in [
        ("code: PC1108", "code: PC0102"),
        ("code: PC1108", "code: PC0005"),
        ("code: PC1108", "code: PC1103"),
        ("code: PC1108", "code: PC0107"),
        ("listener: a", "listener: c"),
    ]
    .map(|(from, to)| (both.replacen(from, to, 1), to))
    {
        let case = Case::of(&[], &wrong);
        let found = case.codes();
        assert!(found.contains("PC1103") || found.contains("PC1110"), "{code}");
        assert!(!case.is_accepted(), "{code}");
    }
}
