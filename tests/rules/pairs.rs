//! Listeners that meet, and listeners that forward to themselves: a table of pairs.

use super::{codes, judge, on_host};

/// A file with two signed listeners.
fn two(first: &str, second: &str) -> String {
    let one = |name: &str, rest: &str| {
        format!(
            "  {name}: {{ purpose: a test, timeouts: {{ idle: 5m }}, limits: {{ connections: 9 }}, allow: {{ reason: a test }}, \
             forward: 10.99.9.9:1, {rest} }}\n"
        )
    };
    format!("portcullis: 1\nlisteners:\n{}{}", one("a", first), one("b", second))
}

#[test]
fn listeners_meet_exactly_where_the_kernel_says_so() {
    const DUPLICATE: &[&str] = &["PC0307"];
    const SHADOW: &[&str] = &["PC0111"];
    const NONE: &[&str] = &[];
    let any4 = "expose: { any: { families: [v4] } }, port: 7000";
    let any6 = "expose: { any: { families: [v6] } }, port: 7000";
    let loopback = "expose: loopback, port: 7000";
    let eth0 = "expose: { private: { address: 10.20.3.4 } }, port: 7000";
    let unpinned = "expose: { private: { address: 10.20.3.4, pin: none } }, port: 7000";
    let subnet = "expose: { private: { subnet: 10.20.0.0/16 } }, port: 7000";
    let wider = "expose: { private: { subnet: 10.0.0.0/8 } }, port: 7000";
    let eth1 = "expose: { private: { address: 172.16.5.4 } }, port: 7000";
    let link0 = "expose: { link: { address: \"fe80::1%eth0\" } }, port: 7000";
    let link1 = "expose: { link: { address: \"fe80::1%eth1\" } }, port: 7000";
    let range = "expose: loopback, ports: [6000-6999, 7000-7010]";
    let elsewhere = "expose: loopback, ports: [6000-6999, 7001-7010]";
    let named = "expose: { interface: { name: eth0, v4: [private], v6: none } }, port: 7000";
    for (a, b, alone, on_this_host) in [
        (any4, any6, NONE, NONE),
        (any4, any4, DUPLICATE, DUPLICATE),
        (any4, loopback, SHADOW, SHADOW),
        (any6, loopback, SHADOW, SHADOW),
        (any4, eth0, SHADOW, SHADOW),
        (any4, subnet, SHADOW, SHADOW),
        (any6, subnet, NONE, NONE),
        (any4, named, SHADOW, SHADOW),
        (loopback, loopback, DUPLICATE, DUPLICATE),
        (loopback, range, DUPLICATE, DUPLICATE),
        (loopback, elsewhere, NONE, NONE),
        (loopback, eth0, NONE, NONE),
        (eth0, eth0, DUPLICATE, DUPLICATE),
        (eth0, unpinned, DUPLICATE, DUPLICATE),
        (eth0, eth1, NONE, NONE),
        (subnet, subnet, DUPLICATE, DUPLICATE),
        (subnet, wider, DUPLICATE, DUPLICATE),
        (subnet, eth1, NONE, NONE),
        // Only the host can tell that these are one address.
        (subnet, eth0, NONE, DUPLICATE),
        (named, eth0, NONE, DUPLICATE),
        (named, subnet, NONE, DUPLICATE),
        (named, named, DUPLICATE, DUPLICATE),
        // One address on two links is two addresses.
        (link0, link1, NONE, NONE),
        (link0, link0, DUPLICATE, DUPLICATE),
    ] {
        for (first, second) in [(a, b), (b, a)] {
            let text = two(first, second);
            assert!(codes(&text, None).iter().eq(alone), "alone:\n{text}{:?}", codes(&text, None));
            assert!(on_host(&text).iter().eq(on_this_host), "host:\n{text}{:?}", on_host(&text));
            let unjudged = judge(&text, None).1.unjudged;
            let asked = unjudged.iter().any(|question| question.code.0 == "PC0307");
            assert_eq!(asked, alone != on_this_host, "{text}{unjudged:?}");
        }
    }
}

#[test]
fn two_listeners_on_one_path_are_found() {
    let unix = |name: &str| {
        format!(
            "  {name}: {{ expose: {{ unix: {{ path: /run/x.sock, mode: \"0600\" }} }}, forward: 10.99.9.9:1 }}\n"
        )
    };
    let text = format!("portcullis: 1\nlisteners:\n{}{}", unix("a"), unix("b"));
    assert_eq!(codes(&text, None), ["PC0307"].into());
    assert_eq!(on_host(&text), ["PC0307"].into());
}

#[test]
fn a_loop_is_found_through_every_door() {
    let file = |expose: &str, forward: &str| {
        format!(
            "portcullis: 1\nlisteners:\n  it: {{ purpose: a test, timeouts: {{ idle: 5m }}, limits: {{ connections: 9 }}, allow: \
             {{ reason: a test }}, expose: {expose}, port: 7000, forward: {forward} }}\n"
        )
    };
    let any4 = "{ any: { families: [v4] } }";
    let subnet = "{ private: { subnet: 10.20.0.0/16 } }";
    // Whether it is a loop on every host, and whether it is one on the host of the tests.
    for (expose, forward, alone, on_this_host) in [
        ("loopback", "127.0.0.1:7000", true, true),
        ("loopback", "\"[::1]:7000\"", true, true),
        ("loopback", "127.0.0.1", true, true),
        ("loopback", "127.0.0.1:7001", false, false),
        // Each loopback address is a socket of its own.
        ("loopback", "127.0.0.5:7000", false, false),
        (any4, "127.0.0.5:7000", true, true),
        (any4, "\"[::1]:7000\"", false, false),
        (any4, "10.20.3.4:7000", false, true),
        (any4, "10.20.3.5:7000", false, false),
        ("{ private: { address: 10.20.3.4 } }", "10.20.3.4:7000", true, true),
        (subnet, "10.20.3.4:7000", false, true),
        (subnet, "10.20.3.5:7000", false, false),
        (subnet, "10.99.3.4:7000", false, false),
        ("{ interface: { name: eth0, v4: [private], v6: none } }", "10.20.3.4", false, true),
    ] {
        let text = file(expose, forward);
        assert_eq!(codes(&text, None).contains("PC0701"), alone, "alone:\n{text}");
        assert_eq!(on_host(&text).contains("PC0701"), on_this_host, "host:\n{text}");
    }
}

#[test]
fn a_loop_is_found_through_a_second_listener_and_through_a_path() {
    let text =
        two("expose: loopback, port: 7000", "expose: { any: { families: [v4] } }, port: 7001")
            .replace(
                "forward: 10.99.9.9:1, expose: loopback",
                "forward: 10.20.3.4:7001, expose: loopback",
            );
    assert_eq!(on_host(&text), ["PC0701"].into());
    let text = "portcullis: 1\nlisteners:\n  a: { expose: { unix: { path: /run/x.sock, mode: \"0600\" } }, \
                forward: { unix: /run/x.sock } }\n";
    assert_eq!(codes(text, None), ["PC0701"].into());
}

#[test]
fn every_pair_that_meets_is_told_once() {
    let one = |name: &str, ports: &str| {
        format!("  {name}: {{ expose: loopback, ports: [{ports}], forward: 10.99.9.9:1 }}\n")
    };
    let text = format!(
        "portcullis: 1\nlisteners:\n{}{}{}{}",
        one("a", "7000-7009"),
        one("b", "7005"),
        one("c", "7008-7012"),
        one("d", "7012")
    );
    let mut messages: Vec<_> =
        judge(&text, None).1.findings.into_iter().map(|finding| finding.message).collect();
    messages.sort();
    assert_eq!(
        messages,
        [
            "`b` and `a` are the same address and port 7005",
            "`c` and `a` are the same address and port 7008",
            "`d` and `c` are the same address and port 7012",
        ]
    );
}
