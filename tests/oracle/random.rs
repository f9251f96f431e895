//! Small files at random: a few listeners, each of some form and for some clients.

use std::fmt::Write as _;

use crate::support::random::Random;

/// Who can be there, and so who can be meant by a list of clients.
#[derive(Clone, Copy)]
enum Far {
    Host,
    Private,
    Public,
}

/// One kind of exposure each; every file has one of the first.
const LOOPBACK: [&str; 3] =
    ["loopback", "loopback: { families: [v4] }", "loopback: { families: [v6] }"];
const PRIVATE: [&str; 9] = [
    "private: { subnet: 10.20.3.0/24 }",
    "private: { subnet: 10.20.3.0/24, pin: none }",
    "private: { address: 10.20.9.5 }",
    "private: { address: 10.20.9.5, pin: none }",
    "private: { address: \"fd12::4\" }",
    "private: { address: \"fd12::4\", pin: none }",
    "interface: { name: v0, v4: [private], v6: [private] }",
    "v4: { private: { address: 10.20.3.4 } }, v6: { private: { address: \"fd12::5\" } }",
    "v4: { private: { address: 10.20.3.4 } }, v6: { loopback: {} }",
];
const PUBLIC: [&str; 8] = [
    "public: { address: 198.51.99.4 }",
    "public: { address: \"2600:9::4\", pin: device }",
    "v4: { public: { interface: p0 } }, v6: none",
    "interface: { name: p0, v4: [public], v6: [public] }",
    "v4: { public: { interface: p0 } }, v6: { private: { address: \"fd12::4\" } }",
    "any: { families: [v4] }",
    "any: { families: [v6] }",
    "any: { families: [v4, v6] }",
];

const CLIENTS_OF_LOOPBACK: [&str; 4] = [
    "",
    "clients: { deny: [127.0.0.2, \"::1\"] }",
    "clients: { allow: [127.0.0.0/8, \"::1\"] }",
    "clients: { allow: [10.20.0.0/16, 198.51.99.4, \"::1\"] }",
];
const CLIENTS_OF_PRIVATE: [&str; 4] = [
    "",
    "clients: { allow: [10.20.7.0/24, \"fd12::7\"] }",
    "clients: { deny: [10.20.66.0/24, \"fd12::66\"] }",
    "clients: { allow: [10.20.0.0/16, \"fd12::/64\"], deny: [10.20.66.6, \"fd12::66\"] }",
];
const CLIENTS_OF_PUBLIC: [&str; 5] = [
    "",
    "clients: { allow: [198.51.99.9, \"2600:9::9\"] }",
    "clients: { deny: [198.51.99.0/24, \"2600:9::/64\"] }",
    "clients: { allow: [10.0.0.0/8, 198.51.99.9, \"fd12::/64\", \"::1\"] }",
    "clients: { deny: [10.20.7.7, \"fd12::7\", 127.0.0.1] }",
];

/// A file with a listener on each port, all of which forward to the backend.
pub(super) fn file(random: &mut Random, ports: &[u16], backend: &str) -> String {
    let mut text = String::from("portcullis: 1\nlisteners:\n");
    for (number, port) in ports.iter().enumerate() {
        let far = match number {
            0 => Far::Host,
            1 => Far::Private,
            2 => Far::Public,
            _ => random.pick(&[Far::Private, Far::Public]),
        };
        let (expose, clients, more) = match far {
            Far::Host => (random.pick(&LOOPBACK), random.pick(&CLIENTS_OF_LOOPBACK), ""),
            Far::Private => (random.pick(&PRIVATE), random.pick(&CLIENTS_OF_PRIVATE), ""),
            Far::Public => (
                random.pick(&PUBLIC),
                random.pick(&CLIENTS_OF_PUBLIC),
                "allow: { reason: the test asks for it }",
            ),
        };
        let expose = match expose {
            "loopback" => "expose: loopback".to_owned(),
            form => format!("expose: {{ {form} }}"),
        };
        write!(text, "  l{port}:\n    purpose: the test asks for it\n    port: {port}\n").unwrap();
        for line in
            [&expose, clients, more, "limits: { connections: 1000 }", "timeouts: { idle: 5m }"]
        {
            if !line.is_empty() {
                writeln!(text, "    {line}").unwrap();
            }
        }
        writeln!(text, "    forward: {{ unix: {backend} }}").unwrap();
    }
    text
}
