use super::*;
use crate::{
    policy::{Action, BackendAddress, Expose, Fanout, Place, PortRange, UnixSocket},
    source::Source,
};

fn resolved(text: &str) -> (Policy, Vec<String>) {
    let source = Source::from_bytes("x.yaml", text.as_bytes()).unwrap();
    let (config, unread) = config::parse(&source);
    let config = config.unwrap_or_default();
    let (policy, unresolved) = resolve(&config);
    let all = unread.into_iter().chain(unresolved);
    (policy, all.map(|finding| format!("{} {}", finding.code, finding.message)).collect())
}

/// A listener on port 80 that forwards, exposed as given.
fn exposed(expose: &str) -> (Option<Expose>, Vec<String>) {
    let (policy, findings) = resolved(&format!(
        "portcullis: 1\nlisteners:\n  a: {{ expose: {expose}, port: 80, forward: \"127.0.0.1:1\" }}\n"
    ));
    let listener = policy.listeners.into_values().next();
    (listener.map(|listener| listener.expose.clone()), findings)
}

const WHOLE: &str = r#"
portcullis: 1
service: billing-edge
owner: team-billing
networks:
  app_subnet: [10.20.0.0/16]
  vpn: [10.99.0.0/16, "fd12:3456:789a::/48"]
upstreams:
  ledger:
    backends:
      - 10.20.9.9:5432
      - { address: 10.20.9.10:5432, weight: 2 }
      - { address: "[fd12::9]:5432", backup: true, max_connections: 200 }
      - { unix: /run/ledger.sock }
    connect: { timeout: 3s, retries: 1 }
listeners:
  db:
    purpose: ledger database
    expose: { private: { subnet: 10.20.0.0/16 } }
    port: 5432
    clients: { allow: [app_subnet, vpn], deny: [10.20.66.0/24] }
    limits: { connections: 500, per_client: 50 }
    timeouts: { idle: 10m, half_closed: none, lifetime: 24h }
    forward: ledger
  rtp:
    expose: { v4: { public: { address: 8.8.8.8 } }, v6: none }
    ports: [20000-20099, 443]
    fanout: per_core
    allow: { reason: calls, owner: maria@example.com, ticket: SEC-1, expires: 2027-03-31 }
    forward: 10.20.9.40
  local:
    expose: { unix: { path: /run/x.sock, mode: "0660", group: jobs } }
    serve: status
runtime: { workers: 2, drain: 5s, when_absent: wait, access_log: { format: json, to: stdout } }
"#;

#[test]
fn a_whole_file_gets_its_meaning() {
    let (policy, findings) = resolved(WHOLE);
    assert_eq!(findings, Vec::<String>::new());
    let listener = |name| &policy.listeners[&ListenerId::new(name)];
    let db = listener("db");
    let clients = db.clients.as_ref().unwrap();
    assert!(clients.contains("10.20.1.1".parse().unwrap()));
    assert!(!clients.contains("10.20.66.1".parse().unwrap()));
    assert_eq!((db.timeouts.half_closed, db.fanout), (None, Fanout::None));
    let ledger = &policy.upstreams[&UpstreamId::new("ledger")];
    assert_eq!((ledger.backends.len(), ledger.retries), (4, 1));
    assert_eq!(ledger.backends[1].weight.get(), 2);
    let rtp = listener("rtp");
    assert_eq!(rtp.ports[0], PortRange { first: 443, last: 443 });
    let Action::Forward(bare) = &rtp.action else { panic!("it forwards") };
    let address = &policy.upstreams[bare].backends[0].address;
    assert_eq!(*address, BackendAddress::SamePort("10.20.9.40".parse().unwrap()));
    assert!(matches!(listener("local").expose, Expose::Unix(_)));
    assert!(policy.runtime.wait_for_absent && policy.runtime.access_log.unwrap().json);
}

#[test]
fn moving_a_line_changes_nothing() {
    let moved = WHOLE
        .replace("service: billing-edge\n", "")
        .replace("owner: team", "service: billing-edge\n\n\nowner: team");
    assert_eq!(resolved(WHOLE).0, resolved(&moved).0);
}

#[test]
fn every_spelling_of_every_address_is_one_place() {
    for (expose, sides) in [
        ("any", 1),
        ("0.0.0.0", 1),
        ("\"::\"", 1),
        ("\"::ffff:0.0.0.0\"", 1),
        ("\"*\"", 2),
        ("\"\"", 2),
        ("\":8080\"", 2),
        ("\"0.0.0.0:8080\"", 1),
        ("\"[::]:8080\"", 1),
        ("{ any: { families: [v4, v6] } }", 2),
        ("{ private: { address: 0.0.0.0 } }", 1),
        ("{ public: { address: \"::\" } }", 1),
        ("{ private: { address: \"*\" } }", 1),
        ("{ private: { address: \"\" } }", 1),
        ("{ v4: any, v6: none }", 1),
    ] {
        let Some(Expose::Ip(found)) = exposed(expose).0 else { panic!("{expose} is lost") };
        assert!(found.iter().all(|side| side.place == Place::Any && !side.pin), "{expose}");
        assert_eq!(found.len(), sides, "{expose}");
    }
}

#[test]
fn an_exposure_that_says_nothing_or_two_things_is_refused() {
    for (expose, finding) in [
        ("{}", "PC0007 nothing says what is exposed"),
        ("{ loopback: {}, any: {} }", "PC0005 a listener is exposed in exactly one way"),
        ("{ loopback: {}, v4: any }", "PC0005 `v4` and `v6` stand alone"),
        ("{ v4: none, v6: none }", "PC0005 neither family is bound"),
        (
            "{ v4: { private: { address: \"fd12::1\" } }, v6: none }",
            "PC0005 this is IPv6, on the IPv4 side",
        ),
        (
            "{ v4: { interface: { name: eth0, v4: [private] } } }",
            "PC0005 this form chooses its families itself",
        ),
        ("{ private: {} }", "PC0007 `private` does not say which address"),
        (
            "{ private: { subnet: 10.0.0.0/8, address: 10.0.0.1 } }",
            "PC0005 `subnet`, `address` and `interface` exclude each other",
        ),
        ("{ public: { subnet: 8.0.0.0/8 } }", "PC0005 `public` takes no subnet"),
        (
            "{ private: { subnet: 10.20.3.4/16 } }",
            "PC0212 `10.20.3.4/16` has bits beyond its prefix",
        ),
        (
            "{ private: { address: db.example.com } }",
            "PC0202 `db.example.com` is a name, and what it resolves to can change",
        ),
        ("localhost", "PC0202 `localhost` is a name, and what it resolves to can change"),
        (
            "{ private: { address: \"::ffff:10.0.0.1\" } }",
            "PC0203 `::ffff:10.0.0.1` is the IPv4 address 10.0.0.1 written as IPv6",
        ),
        (
            "{ private: { address: \"010.0.0.1\" } }",
            "PC0204 some programs read `010.0.0.1` as 8.0.0.1, others as 10.0.0.1",
        ),
        (
            "{ link: { address: \"fe80::1\" } }",
            "PC0210 `fe80::1` exists on every link, and does not say on which",
        ),
        (
            "{ private: { address: \"fd12::1%eth0\" } }",
            "PC0005 only a link-local address has a zone such as `%eth0`",
        ),
        (
            "{ interface: { name: eth0 } }",
            "PC0402 nothing says which addresses of `eth0` are bound",
        ),
        (
            "{ interface: { name: eth0, v4: none, v6: none } }",
            "PC0402 nothing says which addresses of `eth0` are bound",
        ),
        (
            "{ interface: { name: eth0, v4: [host] } }",
            "PC0005 `host` is not a word that this key knows",
        ),
        (
            "{ interface: { name: \"eth 0\", v4: [private] } }",
            "PC0005 `eth 0` cannot be the name of an interface",
        ),
        ("{ any: { families: [] } }", "PC0005 no family is left"),
        ("10.0.0.5", "PC0005 `10.0.0.5` is an address where a keyword belongs"),
        ("loopbck", "PC0005 `loopbck` is not a word that this key knows"),
        ("\"::\"", "PC0406 `::` is every IPv6 address here, and no IPv4 address"),
        ("{ unix: { path: /run/x, mode: \"0660\" } }", "PC0005 a unix socket has no port"),
        ("{ unix: { path: /run/x, mode: \"66\" } }", "PC0005 `66` is no file mode"),
        ("{ unix: { path: /run/x } }", "PC0007 `mode` is missing"),
    ] {
        assert_eq!(exposed(expose).1, [finding], "{expose}");
    }
}

#[test]
fn a_listener_says_one_port_and_one_target() {
    let listener = |rest: &str| {
        let text = format!(
            "portcullis: 1\nnetworks: {{ vpn: [10.0.0.0/8] }}\nlisteners:\n  a: {{ expose: loopback, {rest} }}\n"
        );
        resolved(&text).1
    };
    for (rest, finding) in [
        ("forward: \"127.0.0.1:1\"", "PC0007 `port` is missing"),
        ("port: 80", "PC0007 nothing says where connections go"),
        ("port: 80, ports: [81], serve: status", "PC0005 `port` and `ports` exclude each other"),
        ("ports: [80-90, 85], serve: status", "PC0005 port 85 is listed twice"),
        ("ports: [], serve: status", "PC0005 a listener needs a port"),
        (
            "port: 80, serve: status, forward: \"127.0.0.1:1\"",
            "PC0005 `forward` and `serve` exclude each other",
        ),
        ("port: 80, serve: statsu", "PC0005"),
        ("port: 80, forward: ledger", "PC0006 there is no upstream `ledger`"),
        ("port: 80, forward: \"api.internal:80\"", "PC0009"),
        ("port: 80, forward: { unix: run/x }", "PC0005 `run/x` is not an absolute path"),
        (
            "port: 80, serve: status, clients: { allow: [vnp] }",
            "PC0006 `vnp` is neither a network nor a block",
        ),
        (
            "port: 80, serve: status, clients: { allow: [] }",
            "PC0005 an empty `allow` serves nobody",
        ),
        (
            "port: 80, serve: status, clients: { allow: [vpn], deny: [10.0.0.0/8] }",
            "PC0005 nobody is left to be served",
        ),
        (
            "port: 80, serve: status, limits: { connections: 0 }",
            "PC0005 a bound of 0 would admit nobody",
        ),
        ("port: 80, serve: status, fanout: 5000", "PC0005 5000 is too many"),
        (
            "port: 80, serve: status, fanout: percore",
            "PC0005 `percore` is not a word that this key knows",
        ),
        ("port: 80, serve: status, allow: {}", "PC0007 `reason` is missing"),
    ] {
        let found = listener(rest);
        assert_eq!(found.len(), 1, "{rest}: {found:?}");
        assert!(found[0].starts_with(finding), "{rest}: {found:?}");
    }
}

#[test]
fn what_could_not_be_read_is_not_reported_as_missing_too() {
    let text =
        "portcullis: one\nlisteners:\n  a: { expose: [], port: many, forward: { unix: 1 } }\n";
    let findings = resolved(text).1;
    assert!(findings.iter().all(|finding| finding.starts_with("PC0004")), "{findings:?}");
}

#[test]
fn the_admin_socket_is_private_unless_the_file_lets_its_group_in() {
    let admin = |written: &str| {
        let smallest =
            "portcullis: 1\nlisteners: { a: { expose: loopback, port: 80, serve: status } }\n";
        let text = format!("{smallest}runtime: {{ {written} }}\n");
        let (policy, findings) = resolved(&text);
        (policy.runtime.admin, findings)
    };
    let at =
        |mode| Admin::At(UnixSocket { path: "/run/a.sock".into(), mode, owner: None, group: None });
    for (written, meaning) in [
        ("drain: 1s", Admin::Private),
        ("admin: none", Admin::None),
        ("admin: { unix: /run/a.sock }", at(0o600)),
        ("admin: { unix: /run/a.sock, mode: \"0660\" }", at(0o660)),
    ] {
        assert_eq!(admin(written), (meaning, Vec::new()), "{written}");
    }
    for (written, finding) in [
        ("admin: elsewhere", "PC0005 `elsewhere` is no admin socket"),
        ("admin: {}", "PC0007 `unix` is missing"),
        ("admin: { unix: a.sock }", "PC0005 `a.sock` is not an absolute path"),
        ("admin: { unix: /run/a.sock, mode: \"99\" }", "PC0005 `99` is no file mode"),
        (
            "admin: { unix: /run/a.sock, mode: \"0666\" }",
            "PC0005 with this mode everybody on the host could stop the service",
        ),
    ] {
        assert_eq!(admin(written).1, [finding], "{written}");
    }
}
