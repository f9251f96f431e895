//! The ways around a rule, each of which must not be one.

use super::{codes, host, judge, on_host};

/// A file with one listener that has what a reviewer asks for, but for what the test is about.
fn listener(rest: &str) -> String {
    format!(
        "portcullis: 1\nlisteners:\n  it:\n    purpose: a test\n    timeouts: {{ idle: 5m }}\n    \
         limits: {{ connections: 100 }}\n    forward: 10.20.9.9:5433\n{}",
        rest.lines().map(|line| format!("    {line}\n")).collect::<String>()
    )
}

/// The codes for one listener, the same with and without the host.
fn fired(rest: &str) -> Vec<&'static str> {
    let text = listener(rest);
    let fired = codes(&text, None);
    assert_eq!(codes(&text, Some(&host::facts())), fired, "the host changes it:\n{text}");
    fired.into_iter().collect()
}

#[test]
fn every_spelling_of_every_address_needs_a_signature() {
    let signed = "\nallow: { reason: a test }";
    for (spelling, also) in [
        ("any", &["PC0401"][..]),
        ("{ any: {} }", &["PC0401"]),
        ("{ any: { families: [v4] } }", &[]),
        ("{ any: { families: [v6] } }", &[]),
        ("{ any: { families: [v4, v6] } }", &[]),
        ("{ v4: any, v6: none }", &[]),
        ("{ v4: none, v6: any }", &[]),
        ("0.0.0.0", &[]),
        ("\"::\"", &["PC0406"]),
        ("\"::ffff:0.0.0.0\"", &["PC0203"]),
        ("\"*\"", &[]),
        ("\"\"", &[]),
        ("\":5432\"", &["PC0005"]),
        ("\"0.0.0.0:5432\"", &["PC0005"]),
        ("\"[::]:5432\"", &["PC0005", "PC0406"]),
    ] {
        let rest = format!("expose: {spelling}\nport: 8443");
        let mut expected: Vec<_> = also.iter().copied().chain(["PC0101"]).collect();
        expected.sort_unstable();
        assert_eq!(fired(&rest), expected, "{spelling}");
        assert_eq!(fired(&(rest + signed)), also, "{spelling}, signed");
    }
}

#[test]
fn every_address_under_a_keyword_is_still_every_address() {
    for keyword in ["private", "shared", "link", "public"] {
        for (address, also) in [
            ("0.0.0.0", &[][..]),
            ("\"*\"", &[]),
            ("\"\"", &[]),
            ("\"::ffff:0.0.0.0\"", &["PC0203"]),
        ] {
            let rest = format!("expose: {{ {keyword}: {{ address: {address} }} }}\nport: 8443");
            let mut expected: Vec<_> = also.iter().copied().chain(["PC0101"]).collect();
            expected.sort_unstable();
            assert_eq!(fired(&rest), expected, "{rest}");
            // The signature makes it no truer.
            let mut expected: Vec<_> = also.iter().copied().chain(["PC0201"]).collect();
            expected.sort_unstable();
            assert_eq!(fired(&(rest + "\nallow: { reason: a test }")), expected);
        }
    }
}

#[test]
fn a_signature_holds_through_its_last_day_and_not_without_one() {
    for (expires, signs) in [
        ("2026-11-22", true),
        ("2030-01-01", true),
        ("2026-11-21", false),
        ("2026-02-30", false),
        ("soon", false),
        ("\"\"", false),
    ] {
        let rest = format!(
            "expose: {{ any: {{ families: [v4] }} }}\nport: 8443\n\
             allow: {{ reason: a test, expires: {expires} }}"
        );
        let expected: &[_] = if signs { &[] } else { &["PC0101"] };
        assert_eq!(fired(&rest), expected, "{expires}");
    }
}

#[test]
fn one_cause_gives_one_finding() {
    let allow = "\nallow: { reason: a test }";
    for (expose, code) in [
        ("{ private: { address: 8.8.8.8 } }", "PC0201"),
        ("{ private: { address: 203.0.113.10 } }", "PC0201"),
        ("{ private: { address: 100.64.0.1 } }", "PC0206"),
        ("{ private: { address: 172.32.0.1 } }", "PC0201"),
        ("{ private: { address: 127.0.0.1 } }", "PC0201"),
        ("{ private: { address: 224.0.0.1 } }", "PC0209"),
        ("{ private: { address: 255.255.255.255 } }", "PC0209"),
        ("{ private: { address: \"ff02::1\" } }", "PC0209"),
        ("{ private: { subnet: 8.0.0.0/8 } }", "PC0201"),
        ("{ private: { subnet: 203.0.113.0/24 } }", "PC0201"),
        ("{ shared: { address: 10.20.3.4 } }", "PC0201"),
        ("{ link: { address: 10.20.3.4 } }", "PC0201"),
        ("{ public: { address: 10.20.3.4 } }", "PC0201"),
        ("{ public: { address: 127.0.0.1 } }", "PC0201"),
        ("{ public: { address: 224.0.0.1 } }", "PC0209"),
    ] {
        let rest = format!("expose: {expose}\nport: 8443");
        let text = listener(&rest);
        assert_eq!(codes(&text, None), [code].into(), "{expose}");
        assert_eq!(codes(&listener(&(rest + allow)), None), [code].into(), "{expose}, signed");
    }
    for address in ["192.0.2.1", "198.18.0.1", "240.0.0.1", "\"2001:db8::1\"", "\"4000::1\""] {
        let rest = format!("expose: {{ public: {{ address: {address} }} }}\nport: 8443");
        assert_eq!(fired(&(rest.clone() + allow)), ["PC0207"], "{address}");
        assert_eq!(fired(&rest), ["PC0102", "PC0207"], "{address}, unsigned");
    }
}

#[test]
fn a_family_left_unsaid_is_found_in_every_form() {
    for (expose, silent) in [
        ("loopback", false),
        ("{ loopback: { families: [v4] } }", false),
        ("{ private: { address: 10.20.3.4 } }", false),
        ("{ private: { subnet: 10.20.0.0/16 } }", false),
        ("{ private: { interface: eth0 } }", true),
        ("{ v4: { private: { interface: eth0 } } }", true),
        ("{ v4: { private: { interface: eth0 } }, v6: none }", false),
        ("{ v6: { private: { interface: eth0 } }, v4: none }", false),
        ("{ v6: { private: { subnet: \"fd12::/16\" } } }", true),
        ("{ interface: { name: eth0, v6: [private] } }", true),
        ("{ interface: { name: eth0, v4: none, v6: [private] } }", false),
    ] {
        let rest = format!("expose: {expose}\nport: 8443");
        let expected: &[_] = if silent { &["PC0401"] } else { &[] };
        assert_eq!(fired(&rest), expected, "{expose}");
    }
}

#[test]
fn clients_of_one_family_are_found_whichever_way_they_are_written() {
    for (clients, found) in [
        ("{ allow: [10.0.0.0/8] }", Some("IPv6 it serves nobody")),
        ("{ allow: [\"fd00::/8\"] }", Some("IPv4 it serves nobody")),
        ("{ allow: [10.0.0.0/8, \"fd00::/8\"] }", None),
        ("{ allow: [10.0.0.0/8, \"fc00::/7\"] }", None),
        (
            "{ allow: [10.0.0.0/8, \"fd00::/8\"], deny: [\"fc00::/7\"] }",
            Some("IPv6 it serves nobody"),
        ),
        ("{ deny: [10.66.0.0/16] }", Some("IPv6 it serves everyone")),
        ("{ deny: [\"fd66::/16\"] }", Some("IPv4 it serves everyone")),
        ("{ deny: [10.66.0.0/16, \"fd66::/16\"] }", None),
    ] {
        let both = "expose: { interface: { name: eth0, v4: [private], v6: [private] } }";
        let text = listener(&format!("{both}\nport: 8443\nclients: {clients}"));
        let findings = judge(&text, None).1.findings;
        let messages: Vec<_> = findings.iter().map(|finding| &finding.message).collect();
        match found {
            Some(found) => {
                assert!(
                    messages.len() == 1 && messages[0].contains(found),
                    "{clients}: {messages:?}"
                );
            }
            None => assert!(messages.is_empty(), "{clients}: {messages:?}"),
        }
        let one = "expose: { private: { subnet: 10.20.0.0/16 } }";
        assert_eq!(fired(&format!("{one}\nport: 8443\nclients: {clients}")).len(), 0, "{clients}");
    }
}

#[test]
fn a_socket_that_others_can_reach_is_found_by_mode_and_by_path() {
    for (path, mode, expected) in [
        ("/run/x.sock", "0660", &[][..]),
        ("/run/x.sock", "0770", &[]),
        ("/run/x.sock", "0661", &["PC0906"]),
        ("/run/x.sock", "0664", &["PC0906"]),
        ("x.sock", "0600", &["PC0906"]),
        ("./x.sock", "0600", &["PC0906"]),
        ("\"@x\"", "0600", &["PC0906"]),
    ] {
        let text = format!(
            "portcullis: 1\nlisteners:\n  a: {{ expose: {{ unix: {{ path: {path}, mode: \"{mode}\" }} }}, \
             forward: 10.99.9.9:1 }}\n"
        );
        assert!(codes(&text, None).iter().eq(expected), "{path} {mode}");
    }
}

#[test]
fn ports_are_held_against_what_the_host_does_with_them() {
    let text = |ports: &str| listener(&format!("expose: loopback\nports: [{ports}]"));
    let mut facts = host::facts();
    for (ports, expected) in [
        ("1023", &["PC0301"][..]),
        ("1024", &[]),
        ("32767", &[]),
        ("32768", &["PC0303"]),
        ("32000-33000", &["PC0303"]),
        ("60999", &["PC0303"]),
        ("61000", &[]),
        ("0", &["PC0305"]),
    ] {
        assert!(codes(&text(ports), Some(&facts)).iter().eq(expected), "{ports}");
    }
    facts.reserved_ports = vec![(40_000, 40_009)];
    facts.may_bind_privileged = true;
    for (ports, expected) in [("40000-40009", None), ("40009-40010", Some("ports 40010"))] {
        let findings = judge(&text(ports), Some(&facts)).1.findings;
        let message = findings.first().map(|finding| finding.message.replace("port ", "ports "));
        assert!(
            message.as_deref().is_some_and(|it| expected.is_some_and(|e| it.starts_with(e)))
                || message.is_none() && expected.is_none(),
            "{ports}: {message:?}"
        );
    }
    assert_eq!(codes(&text("80"), Some(&facts)), [].into());
}

#[test]
fn what_only_the_host_knows_is_listed_without_it() {
    let text = listener("expose: { private: { subnet: 192.0.0.0/5 } }\nport: 443");
    let questions: Vec<_> = judge(&text, None)
        .1
        .unjudged
        .into_iter()
        .map(|asked| format!("{} {}: {}", asked.code, asked.listener, asked.question))
        .collect();
    assert_eq!(
        questions,
        [
            "PC0103 it: whether the address it has inside 192.0.0.0/5 is private",
            "PC0213 it: which address it has inside 192.0.0.0/5",
            "PC0301 it: whether this process may bind port 443",
        ]
    );
    assert_eq!(judge(&text, Some(&host::facts())).1.unjudged, []);
}

#[test]
fn every_conflict_of_the_plan_is_a_finding() {
    let mut facts = host::facts();
    for (rest, code) in [
        ("expose: { private: { subnet: 10.99.0.0/16 } }\nport: 7000", "PC0213"),
        ("expose: { private: { subnet: 172.16.5.0/24 } }\nport: 7000", "PC0213"),
        ("expose: { v4: { private: { interface: eth9 } }, v6: none }\nport: 7000", "PC0213"),
        ("expose: { link: { address: \"fe80::1%eth9\" } }\nport: 7000", "PC0213"),
        ("expose: { private: { subnet: 192.0.0.0/5 } }\nport: 7000", "PC0103"),
        ("expose: loopback\nports: [1024-32767]\nfanout: 1000", "PC0008"),
    ] {
        assert_eq!(codes(&listener(rest), Some(&facts)), [code].into(), "{rest}");
    }
    facts.ipv6 = false;
    let rest = "expose: { private: { address: \"fd12:3456:789a::4\" } }\nport: 7000";
    assert_eq!(codes(&listener(rest), Some(&facts)), ["PC0405"].into());
}

#[test]
fn an_address_or_a_subnet_needs_no_word_on_the_other_family() {
    // The `db` listener of the language page.
    let text = "portcullis: 1\nnetworks: { app_subnet: [10.20.0.0/16] }\nlisteners:\n  db:\n    \
                purpose: ledger database for the app tier\n    \
                expose: { private: { subnet: 10.20.0.0/16 } }\n    port: 5432\n    \
                clients: { allow: [app_subnet], deny: [10.20.66.0/24] }\n    \
                limits: { connections: 500, per_client: 50 }\n    \
                timeouts: { idle: 10m, half_closed: 1m, lifetime: 24h }\n    \
                forward: 10.20.9.9:5432\n";
    assert_eq!(codes(text, None), [].into());
    assert_eq!(on_host(text), [].into());
    // Without the host it cannot be told whether the backend is this host itself.
    let unjudged = judge(text, None).1.unjudged;
    assert!(unjudged.iter().any(|question| question.code.0 == "PC0701"), "{unjudged:?}");
}
