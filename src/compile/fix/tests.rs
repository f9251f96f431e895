use proptest::prelude::*;

use super::*;
use crate::{
    address::Date,
    compile::{Given, compile},
};

fn judge(source: &Source) -> Compiled {
    let today = Date::read("2026-11-22").unwrap();
    compile(
        source,
        &Given { facts: None, guardrails: &[], running: None, today, allow_port_zero: false },
    )
}

fn source(text: &str) -> Source {
    Source::from_bytes("test.yaml", text.as_bytes()).unwrap()
}

fn fixed(text: &str) -> Option<String> {
    fix(&source(text), &judge).map(|fixed| fixed.text)
}

/// A listener with these lines.
fn listener(lines: &str) -> String {
    format!(
        "portcullis: 1\nlisteners:\n  web: # the only one\n    port: 8080\n    forward: 127.0.0.1:3000\n{lines}"
    )
}

#[test]
fn repairs_spellings_and_keeps_comments_and_quotes() {
    for (bad, good) in [
        (
            "    purpose: yes # really\n    expose: loopback\n",
            "    purpose: \"yes\" # really\n    expose: loopback\n",
        ),
        (
            "    purpose: a\n    expose: localhost # mine\n",
            "    purpose: a\n    expose: loopback # mine\n",
        ),
        ("    purpose: a\n    expose: 'localhost'\n", "    purpose: a\n    expose: 'loopback'\n"),
        (
            "    purpose: a\n    expose: { private: { address: \"::ffff:10.20.3.4\" } }\n",
            "    purpose: a\n    expose: { private: { address: \"10.20.3.4\" } }\n",
        ),
        (
            "    purpose: a\n    expose: loopback\n    clients: { allow: [\"::ffff:10.0.0.0/104\", \"fd00::/8\"] }\n",
            "    purpose: a\n    expose: loopback\n    clients: { allow: [\"10.0.0.0/8\", \"fd00::/8\"] }\n",
        ),
    ] {
        assert_eq!(fixed(&listener(bad)), Some(listener(good)), "{bad}");
    }
}

#[test]
fn leaves_alone_what_only_the_author_knows() {
    for bad in [
        "    purpose: a\n    expose: loopback\n    prt: 1\n",
        "    purpose: a\n    expose: \"::ffff:0.0.0.0\"\n",
        "    purpose: a\n    expose: { private: { address: localhost } }\n",
        "    purpose: a\n    expose: localhost:80\n",
        "    purpose: a\n    expose: { private: { subnet: 10.20.3.4/16 } }\n",
        "    purpose: a\n    expose: { private: { address: 010.20.3.4 } }\n",
        "    purpose: a\n    expose:\n      v4: loopback\n      v6: no\n",
        "    purpose: a\n    expose: loopback\n    fanout: 017\n",
        // A name somewhere else is not the word of `expose`.
        "    purpose: a\n    expose: loopback\n    clients: { allow: [localhost] }\nnetworks: { loopback: [0.0.0.0/0] }\n",
    ] {
        assert_eq!(fixed(&listener(bad)), None, "{bad}");
    }
}

#[test]
fn repairs_that_fit_alone_and_not_together_do_not_keep_the_others_from_being_made() {
    // Once both are readable, the list has nobody for one of the two families.
    let bad = listener(
        "    purpose: on\n    expose: localhost\n    clients: { allow: [\"::ffff:127.0.0.0/104\"] }\n",
    );
    let good = bad.replace("purpose: on", "purpose: \"on\"").replace("localhost", "loopback");
    assert_eq!(fixed(&bad), Some(good));
}

#[test]
fn a_repair_that_brings_another_finding_to_light_is_left_and_others_are_made() {
    let bad = listener("    purpose: on\n    expose: loopback\n    fanout: 1_0\n");
    assert_eq!(fixed(&bad), Some(bad.replace("purpose: on", "purpose: \"on\"")));
}

fn spelling() -> impl Strategy<Value = String> {
    let expose = prop::sample::select(vec![
        "loopback",
        "localhost",
        "any",
        "\"::ffff:0.0.0.0\"",
        "\"::ffff:10.20.3.4\"",
        "0.0.0.0",
        "{ private: { address: \"::ffff:10.20.3.4\" } }",
        "{ public: { address: \"::ffff:8.8.8.8\" } }",
        "{ any: { families: [v4, v6] } }",
        "{ v4: localhost, v6: no }",
        "{ v4: localhost, v6: none }",
        "{ private: { address: localhost } }",
        "{ private: { subnet: \"::ffff:10.20.0.0/112\" } }",
    ]);
    let word =
        prop::sample::select(vec!["a", "no", "on", "017", "22:22", "\"no\"", "0o17", "1_000"]);
    let clients = prop::sample::select(vec![
        "[]",
        "[10.0.0.0/8]",
        "[\"::ffff:10.0.0.0/104\"]",
        "[localhost, \"::ffff:0.0.0.0/96\"]",
        "[loopback]",
    ]);
    let allow = prop::sample::select(vec![
        "",
        "    allow: { reason: no, expires: 2027-01-01 }\n",
        "    allow: { reason: x }\n",
    ]);
    (expose, word.clone(), word, clients.clone(), clients, allow).prop_map(
        |(expose, purpose, fanout, from, but, allow)| {
            listener(&format!(
                "    purpose: {purpose}\n    fanout: {fanout}\n    expose: {expose}\n    clients: {{ allow: {from}, deny: {but} }}\n{allow}\
                 networks: {{ loopback: [\"::/0\", 0.0.0.0/0] }}\n"
            ))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// P13: a repair removes its finding, is made once, and never widens.
    #[test]
    fn a_repair_removes_findings_is_made_once_and_never_widens(text in spelling()) {
        let Some(new) = fixed(&text) else { return Ok(()) };
        let (before, after) = (judge(&source(&text)), judge(&source(&new)));
        prop_assert!(after.findings.len() < before.findings.len());
        prop_assert_eq!(fixed(&new), None, "{}", new);
        // What could not be read before is now loopback or one address: never every address.
        let policy = |text: &str| resolve(&config::parse(&source(text)).0.unwrap()).0;
        let (was, is) = (policy(&text), policy(&new));
        if was.listeners.is_empty() {
            prop_assert!(!new.contains("any"), "{new}");
        } else {
            let reach = |policy: &Policy| Reach::of(policy, &Exposure::of(policy), Assume::All);
            let diff = diff((&was, &reach(&was)), (&is, &reach(&is)));
            // A list with an entry that could not be read had no meaning.
            let list = text.lines().find(|line| line.contains("clients:")).unwrap();
            prop_assert!(diff.effect().passes() || list.contains("::ffff:"), "{text}");
            let accepts = |policy: &Policy| format!("{:?}", Exposure::of(policy).accepts().iter().map(|it| (it.side.clone(), it.destination.clone(), it.device.clone())).collect::<Vec<_>>());
            prop_assert_eq!(accepts(&was), accepts(&is), "{}", text);
        }
    }
}
