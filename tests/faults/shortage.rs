//! A host that refuses: every call that opens a descriptor fails once, and a limit is lowered while
//! the program runs. Who cannot be served is turned away, the next one is served, and nothing stays
//! behind.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
};

use crate::support::{
    Answering, Backend, LOOPBACK, Program, ServiceFile,
    client::{ask, connect, finish, try_ask, try_ask_over},
    eventually,
    http::get,
    namespace::{in_namespace, run},
    one_listener,
    program::portcullis_through,
    trace::Trace,
};

use super::{SESSION_DESCRIPTORS, forwarding};

/// Clients that come one after the other while a call fails for one of them.
const CLIENTS: usize = 3;

#[test]
fn a_call_that_fails_for_one_client_costs_no_other_and_no_descriptor() {
    // What a session opens or puts into the poll, and the errors it may meet there.
    const FAILURES: [(&str, &str); 7] = [
        ("accept4", "EMFILE"),
        ("accept4", "ENFILE"),
        ("accept4", "ENOBUFS"),
        ("accept4", "ECONNABORTED"),
        ("socket", "EMFILE"),
        ("connect", "EADDRNOTAVAIL"),
        ("epoll_ctl", "ENOSPC"),
    ];
    in_namespace(
        "faults::shortage::a_call_that_fails_for_one_client_costs_no_other_and_no_descriptor",
        || {
            let backend = Answering::tcp("b");
            let program = forwarding(backend.address(), &[]);
            let web = program.address("web");
            let before = program.idle_descriptors();
            for (call, error) in FAILURES {
                // Each of the calls that a few sessions make, in its turn.
                for number in 1..=CLIENTS {
                    let inject = format!("inject={call}:error={error}:when={number}");
                    let trace = Trace::of_worker(&program, &["-e", &inject]);
                    let served = (0..CLIENTS).filter(|_| try_ask(web, "?").is_ok()).count();
                    trace.has_injected();
                    drop(trace);
                    assert!(served >= CLIENTS - 1, "{call} {error} {number}: {served} served");
                    assert_eq!(ask(web, "after"), "b: after", "{call} {error} {number}");
                    program.settles_at(before);
                }
            }
        },
    );
}

#[test]
fn bulk_that_gets_no_pipe_arrives_all_the_same() {
    in_namespace("faults::shortage::bulk_that_gets_no_pipe_arrives_all_the_same", || {
        // No descriptor for a pipe, and no pages (`fs.pipe-user-pages-soft`).
        for (call, error) in [("pipe2", "EMFILE"), ("fcntl", "EPERM")] {
            let backend = Backend::new();
            let program = forwarding(backend.address(), &[]);
            let before = program.idle_descriptors();
            let (client, server) = (connect(program.address("web")), backend.accept());
            let inject = format!("inject={call}:error={error}");
            let trace = Trace::of_worker(&program, &["-e", &inject]);
            send_and_compare(&client, &server);
            let calls = trace.calls();
            assert!(calls.contains_key("pipe2"), "it was asked for: {calls:?}");
            assert!(!calls.contains_key("splice"), "there is none: {calls:?}");
            drop(trace);
            drop((client, server));
            program.settles_at(before);
        }
    });
}

#[test]
fn a_limit_that_is_lowered_while_it_runs_stops_nobody_who_is_in() {
    let backend = Answering::tcp("b");
    let program = forwarding(backend.address(), &[]);
    let web = program.address("web");
    let before = program.idle_descriptors();
    let session = connect(web);
    assert_eq!(try_ask_over(&mut &session, "?").unwrap(), "b: ?");
    for room in 0..=SESSION_DESCRIPTORS {
        let limit = before + SESSION_DESCRIPTORS + room;
        run(&format!("prlimit --pid {} --nofile={limit}:", program.pid()));
        // Let in as far as there is a descriptor for it, and then turned away or kept waiting.
        let waiting = connect(web);
        assert_eq!(try_ask_over(&mut &session, "still").unwrap(), "b: still", "room for {room}");
        run(&format!("prlimit --pid {} --nofile=1024:", program.pid()));
        drop(waiting);
        eventually("clients are served again", || try_ask(web, "?").is_ok());
    }
    drop(session);
    program.settles_at(before);
}

#[test]
fn a_reload_without_descriptors_changes_nothing_and_is_made_up_for() {
    /// More than the look at the file and at the host, and the new socket, need.
    const ENOUGH: usize = 8;
    let one = one_listener(&[LOOPBACK, "serve: status"]) + "runtime: { workers: 1 }\n";
    let two = one.replace("  web:", &format!("  more:\n    {LOOPBACK}\n    serve: status\n  web:"));
    for room in 0..=ENOUGH {
        let mut program = Program::serving(&one);
        let before = program.idle_descriptors();
        run(&format!("prlimit --pid {} --nofile={}:", program.pid(), before + room));
        program.file.replace(&two);
        program.signal("HUP");
        let answers = ["in force generation=2", "what runs stays", "cannot bind"];
        eventually("an answer", || answers.iter().any(|text| program.errors().contains(text)));
        let refused = program.errors().contains("cannot bind");
        assert!(room < ENOUGH || program.errors().contains(answers[0]), "{}", program.errors());
        run(&format!("prlimit --pid {} --nofile=1024:", program.pid()));
        assert_eq!(get(program.address("web"), "/healthz").1, "ok\n");
        if refused {
            program.signal("HUP");
        }
        assert_eq!(program.next("RELOADED"), "RELOADED generation=2", "room for {room}");
        assert_eq!(get(program.address("more"), "/healthz").1, "ok\n");
        program.settles_at(before + 1);
    }
}

#[test]
fn a_change_that_comes_while_the_host_cannot_be_asked_is_taken_over_once_it_can() {
    in_namespace(
        "faults::shortage::a_change_that_comes_while_the_host_cannot_be_asked_is_taken_over_once_it_can",
        || {
            let file = one_listener(&[LOOPBACK, "serve: status"]);
            let mut program = Program::serving(&file);
            let trace = Trace::of_supervisor(&program, &["-e", "inject=socket:error=EMFILE"]);
            program.file.replace(&file.replace("web:", "shop:"));
            program.said("cannot read this host's addresses");
            drop(trace);
            assert_eq!(program.next("RELOADED"), "RELOADED generation=2");
        },
    );
}

#[test]
fn a_start_with_any_number_of_descriptors_serves_or_says_why_not() {
    /// More than a program with one listener needs.
    const ENOUGH: usize = 40;
    let text = one_listener(&[LOOPBACK, "serve: status"]) + "runtime: { workers: 1 }\n";
    // With fewer not even its libraries can be opened.
    for limit in 6..=ENOUGH {
        let limited = format!("ulimit -n {limit} && exec \"$@\"");
        let command = portcullis_through(&["sh", "-c", &limited, "sh"]);
        let mut program = Program::started_by(command, ServiceFile::new(&text));
        if program.next_or_end("SERVING").is_some() {
            program.stop();
            continue;
        }
        assert_eq!(program.ended().code(), Some(4), "{limit}: {}", program.errors());
        program.said("error: ");
        assert!(limit < ENOUGH, "{}", program.errors());
    }
}

#[test]
fn bytes_arrive_through_the_smallest_socket_buffers() {
    in_namespace("faults::shortage::bytes_arrive_through_the_smallest_socket_buffers", || {
        for name in ["tcp_rmem", "tcp_wmem"] {
            std::fs::write(format!("/proc/sys/net/ipv4/{name}"), "4096 4096 4096").unwrap();
        }
        let backend = Backend::new();
        let program = forwarding(backend.address(), &[]);
        let before = program.idle_descriptors();
        let (client, server) = (connect(program.address("web")), backend.accept());
        send_and_compare(&client, &server);
        drop((client, server));
        program.settles_at(before);
    });
}

/// Sends a mebibyte each way at once, and compares what arrives.
#[track_caller]
fn send_and_compare(one: &TcpStream, other: &TcpStream) {
    const BYTES: usize = 1 << 20;
    let sent: Vec<u8> = (0..251).cycle().take(BYTES).collect();
    let send = |mut to: &TcpStream| {
        to.write_all(&sent).unwrap();
        finish(to);
    };
    let receive = |mut from: &TcpStream| {
        let mut got = Vec::new();
        from.read_to_end(&mut got).unwrap();
        assert!(got == sent, "{} of {BYTES} bytes, or others", got.len());
    };
    thread::scope(|scope| {
        scope.spawn(|| send(one));
        scope.spawn(|| send(other));
        scope.spawn(|| receive(one));
        receive(other);
    });
}
