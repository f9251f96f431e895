//! Who is served, how many at a time, and for how long.

use std::{
    io::Write as _,
    net::{IpAddr, TcpStream},
};

use crate::support::{
    Answering, Backend, LOOPBACK, Program,
    client::{
        ask_over, connect, connect_from, finish, is_turned_away, read_text, read_to_end, try_ask,
        try_ask_over, turns_away, turns_away_from,
    },
    eventually, one_listener,
};

const LOG: &str = "runtime: { access_log: { format: json, to: stdout } }\n";

/// A program that answers by itself, under these further lines of its listener.
fn with(backend: &Answering, line: &str) -> Program {
    let forward = format!("forward: {}", backend.address());
    Program::serving(&(one_listener(&[LOOPBACK, line, &forward]) + LOG))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn only_allowed_clients_are_served() {
    let backend = Answering::tcp("b");
    let mut program = with(&backend, "clients: { allow: [127.0.0.7, 10.0.0.0/8] }");
    assert!(turns_away(program.address("web")));
    let record = program.record();
    assert_eq!(record["outcome"], "denied_clients");
    assert!(record["client"].as_str().unwrap().starts_with("127.0.0.1:"), "{record}");
    let allowed = connect_from(ip("127.0.0.7"), program.address("web"));
    assert_eq!(ask_over(&allowed, "?"), "b: ?");
    assert_eq!(backend.accepted(), 1, "the backend hears nothing of those turned away");
}

#[test]
fn a_denied_client_is_not_served_though_it_is_allowed() {
    let backend = Answering::tcp("b");
    let program = with(&backend, "clients: { allow: [127.0.0.0/8], deny: [127.0.0.9/32] }");
    assert!(turns_away_from(ip("127.0.0.9"), program.address("web")));
    assert_eq!(ask_over(&connect_from(ip("127.0.0.8"), program.address("web")), "?"), "b: ?");
}

#[test]
fn a_client_has_no_more_sessions_than_it_may_and_others_are_not_touched() {
    let backend = Answering::tcp("b");
    let mut program = with(&backend, "limits: { per_client: 2 }");
    let to = program.address("web");
    let held = [connect(to), connect(to)];
    for client in &held {
        assert_eq!(ask_over(client, "?"), "b: ?");
    }
    assert!(turns_away(to));
    assert_eq!(program.record()["outcome"], "denied_per_client");
    assert_eq!(ask_over(&connect_from(ip("127.0.0.2"), to), "?"), "b: ?");
    drop(held);
    eventually("its sessions count no more", || try_ask(to, "?").is_ok());
}

#[test]
fn a_client_beyond_the_limit_waits_until_a_place_is_free() {
    let backend = Backend::new();
    let forward = format!("forward: {}", backend.address());
    let program =
        Program::serving(&one_listener(&[LOOPBACK, "limits: { connections: 1 }", &forward]));
    let first = connect(program.address("web"));
    let served = backend.accept();
    // The kernel completes its handshake, and there it waits.
    let second = connect(program.address("web"));
    exchange(&first, &served);
    assert!(!backend.somebody_waits(), "the limit holds");
    drop((first, served));
    let served = backend.accept();
    exchange(&second, &served);
}

/// Shows that the session works.
fn exchange(client: &TcpStream, mut server: &TcpStream) {
    server.write_all(b"ping").unwrap();
    assert_eq!(read_text(client, 4), "ping");
}

#[test]
fn a_session_without_a_byte_ends() {
    let backend = Backend::new();
    let forward = format!("forward: {}", backend.address());
    let file = one_listener(&[LOOPBACK, "timeouts: { idle: 200ms }", &forward]) + LOG;
    let mut program = Program::serving(&file);
    let client = connect(program.address("web"));
    let served = backend.accept();
    assert!(is_turned_away(&client));
    assert!(read_to_end(&served).is_empty());
    assert_eq!(program.record()["outcome"], "idle");
}

#[test]
fn a_session_ends_when_it_has_lasted_long_enough_though_bytes_move() {
    let backend = Answering::tcp("b");
    let mut program = with(&backend, "timeouts: { lifetime: 500ms }");
    let client = connect(program.address("web"));
    eventually("the end of the session", || try_ask_over(&mut &client, "?").is_err());
    assert_eq!(program.record()["outcome"], "lifetime");
}

#[test]
fn an_end_that_the_other_side_does_not_answer_is_not_waited_for_forever() {
    let backend = Backend::new();
    let forward = format!("forward: {}", backend.address());
    let file = one_listener(&[LOOPBACK, "timeouts: { half_closed: 200ms }", &forward]) + LOG;
    let mut program = Program::serving(&file);
    let client = connect(program.address("web"));
    let _served = backend.accept();
    finish(&client);
    assert!(is_turned_away(&client));
    assert_eq!(program.record()["outcome"], "half_closed");
}
