//! What becomes of the sessions that run while the file changes.

use std::os::unix::{fs::PermissionsExt as _, net::UnixStream};

use crate::support::{
    Answering, LOOPBACK, Program, ServiceFile,
    client::{ask, ask_over, connect, is_turned_away, refused, try_ask, turns_away},
    eventually,
    namespace::in_namespace,
    one_listener, sockets,
};

const LOG: &str = "runtime: { drain: 300ms, access_log: { format: json, to: stdout } }\n";

fn two(backend: &Answering) -> (String, String) {
    let forward = format!("forward: {}", backend.address());
    let first = one_listener(&[LOOPBACK, &forward]);
    let both = format!("{first}  gone:\n    {LOOPBACK}\n    {forward}\n");
    (both, first)
}

#[test]
fn an_unchanged_listener_keeps_its_sessions() {
    let backend = Answering::tcp("b");
    let (both, first) = two(&backend);
    let mut program = Program::serving(&both);
    let session = connect(program.address("web"));
    for generation in 2..6 {
        ask_over(&session, "?");
        let file = if generation % 2 == 0 { &first } else { &both };
        assert_eq!(program.reload(file), generation);
    }
    assert_eq!(ask_over(&session, "still"), "b: still");
}

#[test]
fn a_removed_listener_refuses_new_clients_and_lets_its_sessions_finish() {
    let backend = Answering::tcp("b");
    let (both, first) = two(&backend);
    let mut program = Program::serving(&both);
    let session = connect(program.address("gone"));
    ask_over(&session, "?");
    program.reload(&first);
    refused(program.address("gone"));
    assert_eq!(ask_over(&session, "still"), "b: still");
    assert_eq!(ask(program.address("web"), "?"), "b: ?");
}

#[test]
fn a_listener_that_comes_back_is_bound_while_its_old_sessions_finish() {
    in_namespace(
        "reload::sessions::a_listener_that_comes_back_is_bound_while_its_old_sessions_finish",
        || {
            let backend = Answering::tcp("b");
            let with = |port: u16| {
                let expose = "expose: { loopback: { families: [v4] } }";
                let forward = format!("forward: {}", backend.address());
                one_listener(&[expose, &format!("port: {port}"), &forward])
            };
            let mut program = Program::serving(&with(8080));
            let at = ([127, 0, 0, 1], 8080).into();
            let mut sessions = Vec::new();
            for port in [8081, 8080, 8081, 8080] {
                sessions
                    .push(connect(([127, 0, 0, 1], if port == 8080 { 8081 } else { 8080 }).into()));
                program.reload(&with(port));
                for session in &sessions {
                    assert_eq!(ask_over(session, "still"), "b: still");
                }
            }
            assert_eq!(ask(at, "?"), "b: ?");
        },
    );
}

#[test]
fn sessions_of_a_removed_listener_are_ended_at_the_deadline() {
    let backend = Answering::tcp("b");
    let (both, first) = two(&backend);
    let mut program = Program::serving(&(both + LOG));
    let (session, kept) = (connect(program.address("gone")), connect(program.address("web")));
    ask_over(&session, "?");
    ask_over(&kept, "?");
    program.reload(&(first + LOG));
    assert!(is_turned_away(&session));
    let record = program.record();
    assert_eq!((&record["listener"], &record["outcome"]), (&"gone".into(), &"drained".into()));
    assert_eq!(ask_over(&kept, "still"), "b: still");
}

#[test]
fn a_session_goes_on_under_the_policy_it_began_with() {
    let backend = Answering::tcp("old");
    let next = Answering::tcp("new");
    let file = |backend: &Answering, clients: &str| {
        one_listener(&[LOOPBACK, clients, &format!("forward: {}", backend.address())])
    };
    let mut program = Program::serving(&file(&backend, "clients: { allow: [127.0.0.0/8] }"));
    let session = connect(program.address("web"));
    ask_over(&session, "?");
    program.reload(&file(&next, "clients: { deny: [127.0.0.1] }"));
    assert!(turns_away(program.address("web")));
    assert_eq!(ask_over(&session, "still"), "old: still");
    program.reload(&file(&next, "clients: { allow: [127.0.0.1] }"));
    assert_eq!(ask(program.address("web"), "?"), "new: ?");
    assert_eq!(ask_over(&session, "still"), "old: still");
}

#[test]
fn limits_count_the_sessions_of_before() {
    let backend = Answering::tcp("b");
    let file = |limit: u32| {
        let limits = format!("limits: {{ per_client: {limit} }}");
        one_listener(&[LOOPBACK, &limits, &format!("forward: {}", backend.address())])
    };
    let mut program = Program::serving(&file(3));
    let held = [connect(program.address("web")), connect(program.address("web"))];
    for client in &held {
        ask_over(client, "?");
    }
    program.reload(&file(2));
    assert!(turns_away(program.address("web")));
    drop(held);
    eventually("they count no more", || try_ask(program.address("web"), "?").is_ok());
}

#[test]
fn a_limit_that_is_raised_lets_in_who_waits() {
    let backend = Answering::tcp("b");
    let file = |limit: u32| {
        let limits = format!("limits: {{ connections: {limit} }}");
        one_listener(&[LOOPBACK, &limits, &format!("forward: {}", backend.address())])
    };
    let mut program = Program::serving(&file(1));
    let first = connect(program.address("web"));
    ask_over(&first, "?");
    let second = connect(program.address("web"));
    assert_eq!(ask_over(&first, "still"), "b: still");
    assert_eq!(backend.accepted(), 1, "the second waits");
    program.reload(&file(2));
    assert_eq!(ask_over(&second, "?"), "b: ?");
}

#[test]
fn sessions_outlive_changes_of_fanout_and_workers_and_every_client_is_served() {
    let backend = Answering::tcp("b");
    let file = |fanout: &str, workers: u32| {
        one_listener(&[
            LOOPBACK,
            &format!("fanout: {fanout}"),
            &format!("forward: {}", backend.address()),
        ]) + &format!("runtime: {{ workers: {workers} }}\n")
    };
    let mut program = Program::serving(&file("none", 2));
    let web = program.address("web");
    let mut sessions = Vec::new();
    let steps = [("2", 2), ("per_core", 3), ("4", 1), ("none", 1), ("2", 4), ("none", 2)];
    for (generation, (fanout, workers)) in (2..).zip(steps) {
        sessions.extend((0..8).map(|_| connect(web)));
        assert_eq!(program.reload(&file(fanout, workers)), generation);
        // Those that came before the change were perhaps not accepted yet: they are served all the
        // same.
        for session in &sessions {
            assert_eq!(ask_over(session, fanout), format!("b: {fanout}"));
        }
        assert_eq!(ask(web, "new"), "b: new");
    }
    assert_eq!(backend.accepted(), sessions.len() + steps.len(), "one session for every client");
    assert!(!sockets::on(program.pid(), web).is_empty());
}

#[test]
fn a_path_socket_gets_another_mode_and_keeps_its_sessions() {
    let backend = Answering::tcp("b");
    let service = ServiceFile::new("");
    let path = service.beside("front.sock");
    let file = |mode: &str| {
        let expose =
            format!("expose: {{ unix: {{ path: {}, mode: \"{mode}\" }} }}", path.display());
        one_listener(&[&expose, &format!("forward: {}", backend.address())])
    };
    service.replace(&file("0600"));
    let mut program = Program::serving_file(service);
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    let session = UnixStream::connect(&path).unwrap();
    ask_over(&session, "?");
    program.reload(&file("0660"));
    assert_eq!(mode(), 0o660);
    assert_eq!(ask_over(&session, "still"), "b: still");
    assert_eq!(ask_over(UnixStream::connect(&path).unwrap(), "new"), "b: new");
}
