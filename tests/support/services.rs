//! Small service files at random.

use std::fmt::Write as _;

use proptest::prelude::*;

const EXPOSED: [&str; 8] = [
    "loopback",
    "{ private: { address: 10.20.3.4 } }",
    "{ private: { address: 10.20.3.4, pin: none } }",
    "{ private: { subnet: 10.0.0.0/8 } }",
    "{ shared: { address: 100.64.1.1 } }",
    "{ public: { address: 198.51.99.10 } }",
    "{ any: { families: [v4, v6] } }",
    "{ interface: { name: eth0, v4: [private, public], v6: none } }",
];

const CLIENTS: [&str; 4] = [
    "",
    "clients: { allow: [10.20.0.0/16] }",
    "clients: { allow: [0.0.0.0/0] }",
    "clients: { deny: [8.8.8.8] }",
];

/// A few listeners, whose ports are of interest to rules.
pub(crate) fn services() -> impl Strategy<Value = String> {
    let pick = |choices: &'static [&'static str]| prop::sample::select(choices);
    let listener = (pick(&EXPOSED), pick(&CLIENTS), pick(&["", "allow: { reason: a test }"]));
    prop::collection::btree_map("[a-c]", listener, 1..4).prop_map(|listeners| {
        let mut text = String::from("portcullis: 1\nlisteners:\n");
        for (at, (name, (expose, clients, allow))) in listeners.into_iter().enumerate() {
            writeln!(text, "  {name}:\n    expose: {expose}\n    port: {}", [443, 5432, 8080][at])
                .unwrap();
            for line in [clients, allow].into_iter().filter(|line| !line.is_empty()) {
                writeln!(text, "    {line}").unwrap();
            }
            writeln!(text, "    forward: 10.20.9.9:{}", [80, 5432, 6379][at]).unwrap();
        }
        text
    })
}
