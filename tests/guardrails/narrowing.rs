//! One more guardrail can only narrow: a law, tried on random files.

use proptest::prelude::*;

use super::Case;

/// A guardrail of a few words, any of which may be missing.
fn guardrails() -> impl Strategy<Value = String> {
    let scopes = ["loopback", "unix", "link", "private", "shared", "public", "any"];
    let subset = proptest::sample::subsequence(scopes.to_vec(), 0..=7);
    let levels = ["", "lints: { warn: [PC0301] }\n", "lints: { forbid: [PC1108] }\n"];
    let private = ["", "private_means: [10.20.0.0/16]\n", "private_means: [172.16.0.0/12]\n"];
    let zones = [
        "",
        "zones: [{ cidr: 100.64.0.0/10, class: private, why: a test }]\n",
        "zones: [{ cidr: 10.20.0.0/16, class: public, why: a test }]\n",
        "zones: [{ cidr: 198.51.99.0/24, class: private, why: a test }]\n",
    ];
    let ports = ["443", "1-65535", "80"];
    let clients = ["any", "[10.0.0.0/8]"];
    let expires = ["2026-11-22", "2026-11-21", "2030-01-01"];
    let grant = (
        proptest::sample::select(scopes.to_vec()),
        proptest::sample::select(ports.to_vec()),
        proptest::sample::select(clients.to_vec()),
        proptest::sample::select(expires.to_vec()),
    );
    let grant = grant.prop_map(|(scope, ports, clients, expires)| {
        format!(
            "exceptions: {{ grants: [{{ id: A, service: s, listener: x, expires: {expires}, \
             box: {{ classes: [{scope}], families: [v4], protocol: tcp, ports: [{ports}], \
             clients: {clients}, upstreams: any }} }}] }}\n"
        )
    });
    (
        subset,
        proptest::sample::select(levels.to_vec()),
        proptest::sample::select(private.to_vec()),
        proptest::sample::select(zones.to_vec()),
        proptest::option::of(grant),
    )
        .prop_map(|(scopes, levels, private, zones, grant)| {
            format!(
                "portcullis_guardrails: 1\nname: a\nmay_expose: [{}]\n{levels}{private}{zones}{}",
                scopes.join(", "),
                grant.unwrap_or_default()
            )
        })
}

/// A service file with one listener.
fn services() -> impl Strategy<Value = String> {
    let exposed = [
        "loopback",
        "{ unix: { path: /run/x.sock, mode: \"0660\" } }",
        "{ private: { address: 10.20.3.4 } }",
        "{ private: { subnet: 10.0.0.0/8 } }",
        "{ private: { address: 172.16.5.4 } }",
        "{ shared: { address: 100.64.1.1 } }",
        "{ public: { address: 198.51.99.10 } }",
        "{ any: { families: [v4] } }",
        "{ interface: { name: eth0, v4: [private, public], v6: none } }",
    ];
    let clients = ["", "    clients: { allow: [10.20.0.0/16] }\n"];
    let allow =
        ["", "    allow: { reason: a test }\n", "    allow: { reason: a test, grant: A }\n"];
    (
        proptest::sample::select(exposed.to_vec()),
        proptest::sample::select(clients.to_vec()),
        proptest::sample::select(allow.to_vec()),
        proptest::sample::select(vec!["", "    purpose: a test\n"]),
    )
        .prop_map(|(exposed, clients, allow, purpose)| {
            let (port, clients) = match exposed.contains("unix") {
                true => ("", ""),
                false => ("    port: 443\n", clients),
            };
            format!(
                "portcullis: 1\nservice: s\nlisteners:\n  x:\n    expose: {exposed}\n{port}{clients}{allow}\
                 {purpose}    timeouts: {{ idle: 5m }}\n    forward: 10.99.9.9:1\n"
            )
        })
}

proptest! {
    #[test]
    fn one_more_guardrail_accepts_nothing_that_was_refused(
        service in services(),
        fewer in proptest::collection::vec(guardrails(), 0..3),
        one_more in guardrails(),
    ) {
        let before: Vec<_> = fewer.iter().map(String::as_str).collect();
        let after: Vec<_> = before.iter().copied().chain([one_more.as_str()]).collect();
        let (before, after) = (Case::of(&before, &service), Case::of(&after, &service));
        prop_assert!(before.is_accepted() || !after.is_accepted(), "{}", before.rendered());
    }

    #[test]
    fn the_order_of_guardrails_does_not_matter(
        service in services(),
        first in guardrails(),
        second in guardrails(),
    ) {
        let (one, other) = (Case::of(&[&first, &second], &service), Case::of(&[&second, &first], &service));
        prop_assert_eq!(one.is_accepted(), other.is_accepted());
    }
}
