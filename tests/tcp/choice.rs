//! Which backend a client gets.

use std::collections::BTreeMap;

use crate::support::{
    Answering, LOOPBACK, Program,
    backend::Refusing,
    client::{ask, ask_over, connect, try_ask, turns_away},
    eventually,
    namespace::in_namespace,
    one_listener,
};

/// A listener over a group with these backends, and one worker so that turns are in order.
fn group(backends: &[String]) -> String {
    let backends = backends.join(", ");
    one_listener(&[LOOPBACK, "forward: group"])
        + &format!("upstreams: {{ group: {{ backends: [{backends}] }} }}\n")
        + "runtime: { workers: 1, access_log: { format: json, to: stdout } }\n"
}

fn long(backend: impl std::fmt::Display, more: &str) -> String {
    format!("{{ address: \"{backend}\", {more} }}")
}

#[test]
fn clients_take_turns() {
    let (one, two) = (Answering::tcp("one"), Answering::tcp("two"));
    let program = Program::serving(&group(&[one.address().to_string(), two.address().to_string()]));
    let answers = [(); 4].map(|()| ask(program.address("web"), "?"));
    assert_eq!(answers[..2], answers[2..]);
    assert_ne!(answers[0], answers[1]);
}

#[test]
fn shares_are_as_the_weights_say() {
    let (light, heavy) = (Answering::tcp("light"), Answering::tcp("heavy"));
    let backends = [light.address().to_string(), long(heavy.address(), "weight: 3")];
    let program = Program::serving(&group(&backends));
    let mut counts = BTreeMap::new();
    for _ in 0..16 {
        *counts.entry(ask(program.address("web"), "?")).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from([("heavy: ?".to_owned(), 12), ("light: ?".to_owned(), 4)]));
}

#[test]
fn a_backend_that_refuses_is_passed_over() {
    let (gone, alive) = (Refusing::new(), Answering::tcp("alive"));
    let backends = [gone.address().to_string(), alive.address().to_string()];
    let program = Program::serving(&group(&backends));
    for _ in 0..4 {
        assert_eq!(ask(program.address("web"), "?"), "alive: ?");
    }
}

#[test]
fn when_every_backend_refuses_the_client_is_closed_and_the_record_says_why() {
    let gone = Refusing::new();
    let mut program = Program::serving(&group(&[gone.address().to_string()]));
    assert!(turns_away(program.address("web")));
    let record = program.record();
    assert_eq!(record["outcome"], "connect_refused");
    assert_eq!(record["backend"], gone.address().to_string());
}

#[test]
fn a_backup_serves_only_when_no_other_can() {
    let (gone, main, backup) = (Refusing::new(), Answering::tcp("main"), Answering::tcp("backup"));
    let backup_last = long(backup.address(), "backup: true");
    let mut program = Program::serving(&group(&[backup_last.clone(), main.address().to_string()]));
    for _ in 0..3 {
        assert_eq!(ask(program.address("web"), "?"), "main: ?");
    }
    program.reload(&group(&[backup_last, gone.address().to_string()]));
    assert_eq!(ask(program.address("web"), "?"), "backup: ?");
}

#[test]
fn a_backend_has_no_more_connections_than_it_may() {
    let (small, large) = (Answering::tcp("small"), Answering::tcp("large"));
    let backends = [long(small.address(), "max_connections: 1"), large.address().to_string()];
    let program = Program::serving(&group(&backends));
    let held: Vec<_> = (0..4).map(|_| connect(program.address("web"))).collect();
    let answers: Vec<_> = held.iter().map(|client| ask_over(client, "?")).collect();
    assert_eq!(answers.iter().filter(|answer| *answer == "small: ?").count(), 1, "{answers:?}");
    assert_eq!(small.accepted(), 1);
}

#[test]
fn when_every_backend_is_full_the_client_is_closed_until_one_is_not() {
    let only = Answering::tcp("only");
    let mut program = Program::serving(&group(&[long(only.address(), "max_connections: 1")]));
    let first = connect(program.address("web"));
    assert_eq!(ask_over(&first, "?"), "only: ?");
    assert!(turns_away(program.address("web")));
    assert_eq!(program.record()["outcome"], "no_backend");
    drop(first);
    eventually("the place is free", || try_ask(program.address("web"), "?").is_ok());
}

#[test]
fn each_port_of_a_range_leads_to_the_same_port_of_the_backend() {
    in_namespace("tcp::choice::each_port_of_a_range_leads_to_the_same_port_of_the_backend", || {
        let _backends = [
            Answering::tcp_at("8001", "127.0.0.2:8001"),
            Answering::tcp_at("8002", "127.0.0.2:8002"),
            Answering::tcp_at("8100", "127.0.0.2:8100"),
        ];
        let expose = "expose: { loopback: { families: [v4] } }";
        let program = Program::serving(&one_listener(&[
            expose,
            "ports: [8001-8002, 8100]",
            "forward: 127.0.0.2",
        ]));
        for port in [8001, 8002, 8100] {
            let to = ([127, 0, 0, 1], port).into();
            assert_eq!(ask(to, "?"), format!("{port}: ?"));
        }
        assert_eq!(program.bound()["web"].len(), 3);
    });
}
