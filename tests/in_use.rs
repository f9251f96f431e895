//! Every reason for which the kernel says that an address is in use, brought about for real, and
//! what the program says of it: who or what has the port, and what helps.

mod own;

use std::{
    fmt::Display,
    fs,
    io::Read as _,
    net::{SocketAddr, TcpStream},
    os::{fd::AsFd as _, unix::net::UnixStream},
    path::Path,
    process::Command,
    time::Duration,
};

use portcullis::sys::scm;
use socket2::{Domain, SockRef, Socket, Type};

use crate::support::{
    Answering, Ended, Program, ServiceFile,
    client::{ask_over, connect, finish, read_to_end},
    eventually,
    http::get,
    namespace::{PROCESSES, in_namespace, in_namespaces},
    one_listener,
    program::portcullis_through,
    sockets,
    start::{refused_start, refused_start_by},
};

const AT: &str = "127.0.0.1:8080";

const WHAT: &str = "error: cannot bind 127.0.0.1:8080 on lo for listener `web`: \
    Address already in use (os error 98)";

const STOP: &str = "help: stop the holder, or give the listener another address or port";

fn at() -> SocketAddr {
    AT.parse().unwrap()
}

/// A file that asks for this port of 127.0.0.1, and for nothing else that has to be bound.
fn wanting(port: impl Display) -> String {
    let expose = "expose: { loopback: { families: [v4] } }";
    one_listener(&[expose, &format!("port: {port}"), "serve: status", "purpose: a test"])
        + "runtime: { admin: none }\n"
}

/// What is said when [`AT`] cannot be had, line by line.
#[track_caller]
fn refused() -> Vec<String> {
    lines_of(&refused_start(&wanting(8080)))
}

/// What is said of the one socket that could not be had, without what was said before.
#[track_caller]
fn lines_of(ended: &Ended) -> Vec<String> {
    assert_eq!((ended.code, ended.out.as_str()), (Some(4), ""), "{ended:?}");
    let lines = ended.err.lines().map(str::to_owned);
    let mut lines: Vec<_> = lines.skip_while(|line| !line.starts_with("error: ")).collect();
    let last = lines.pop();
    let end = "error: not every socket could be had, so none is served";
    assert_eq!(last.as_deref(), Some(end), "{}", ended.err);
    lines
}

/// This process, as somebody who holds a port.
fn this_process() -> String {
    let name = fs::read_to_string("/proc/self/comm").unwrap();
    let program = fs::read_link("/proc/self/exe").unwrap();
    format!("{} (pid {}, {}), user root", name.trim(), std::process::id(), program.display())
}

/// A socket that is bound to [`AT`] and lacks SO_REUSEADDR, as a program from elsewhere may have it.
fn careless() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&at().into()).unwrap();
    socket
}

/// The same that listens.
fn careless_listener() -> Socket {
    let socket = careless();
    socket.listen(8).unwrap();
    socket
}

/// A client of that listener, and the other end of its connection.
fn connected(listener: &Socket) -> (TcpStream, TcpStream) {
    let client = connect(at());
    (client, listener.accept().unwrap().0.into())
}

#[test]
fn a_listener_of_another_process_is_named_with_its_process_program_and_user() {
    in_namespace(
        "in_use::a_listener_of_another_process_is_named_with_its_process_program_and_user",
        || {
            let _holder = careless_listener();
            let said = refused();
            assert_eq!(said[0], WHAT);
            let who = format!("  = {AT} is held by {}", this_process());
            assert!(said[1].starts_with(&who), "{who}\n{said:?}");
            assert!(said.contains(&STOP.to_owned()), "{said:?}");
        },
    );
}

/// Such a socket is shown since Linux 6.8; before, it would be found nowhere.
#[test]
fn a_socket_of_another_process_that_is_bound_and_does_not_listen_is_named_as_such() {
    in_namespace(
        "in_use::a_socket_of_another_process_that_is_bound_and_does_not_listen_is_named_as_such",
        || {
            let _holder = careless();
            let said = refused();
            assert_eq!(said[0], WHAT);
            let who =
                format!("  = {AT} is held, though it does not listen yet, by {}", this_process());
            assert!(said[1].starts_with(&who), "{who}\n{said:?}");
            assert!(said.contains(&STOP.to_owned()), "{said:?}");
        },
    );
}

#[test]
fn connections_that_a_listener_without_reuseaddr_has_left_are_counted_by_state() {
    in_namespace(
        "in_use::connections_that_a_listener_without_reuseaddr_has_left_are_counted_by_state",
        || {
            let listener = careless_listener();
            let _established = [connected(&listener), connected(&listener)];
            let close_wait = connected(&listener);
            finish(&close_wait.0);
            assert!(read_to_end(&close_wait.1).is_empty());
            let fin_wait2 = connected(&listener);
            finish(&fin_wait2.1);
            assert!(read_to_end(&fin_wait2.0).is_empty());
            drop(listener);
            let states = [1, 5, 8].into();
            eventually("they are in these states", || sockets::states_on(8080) == states);
            let said = refused();
            assert_eq!(said[0], WHAT);
            let old = "  = nothing listens, but old connections are there: \
                2 ESTABLISHED, 1 FIN_WAIT2, 1 CLOSE_WAIT";
            assert_eq!(said[1], old);
            let why = "  = their listener had not set SO_REUSEADDR, so they keep the port";
            assert_eq!(said[2], why);
            let who = format!("  = the first is held by {}", this_process());
            assert!(said[3].starts_with(&who), "{who}\n{said:?}");
            let help = "help: wait for these connections to end, or end who has them";
            assert_eq!(said.last().unwrap(), help);
        },
    );
}

/// Gives up a connection without a state that would keep its port.
fn reset(connection: TcpStream) {
    SockRef::from(&connection).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn an_outgoing_connection_on_the_port_is_named_with_the_sysctl_that_prevents_it() {
    in_namespace(
        "in_use::an_outgoing_connection_on_the_port_is_named_with_the_sysctl_that_prevents_it",
        || {
            let server = Answering::tcp_at("far", "127.0.0.1:80");
            // The kernel takes its pick of two ports of this parity.
            let range = "/proc/sys/net/ipv4/ip_local_port_range";
            fs::write(range, "8080 8083").unwrap();
            let outgoing = connect(server.address());
            ask_over(&outgoing, "?");
            let port = outgoing.local_addr().unwrap().port();
            let said = lines_of(&refused_start(&wanting(port)));
            let connection = format!(
                "  = an outgoing connection has the port as its source: \
                 127.0.0.1:{port} to 127.0.0.1:80"
            );
            assert_eq!(said[1], connection);
            let who = format!("  = it is held by {}", this_process());
            assert!(said[2].starts_with(&who), "{who}\n{said:?}");
            let [.., reserve, choose] = said.as_slice() else { panic!("{said:?}") };
            let cure = format!(
                "help: end it, and add {port} to `sysctl net.ipv4.ip_local_reserved_ports`"
            );
            assert_eq!(*reserve, cure);
            assert_eq!(choose, "help: or choose a port outside 8080-8083");

            // The cure cures: the port can be had, and while nobody has it none takes it.
            reset(outgoing);
            fs::write("/proc/sys/net/ipv4/ip_local_reserved_ports", port.to_string()).unwrap();
            let others: Vec<_> = (0..3).map(|_| connect(server.address())).collect();
            assert!(others.iter().all(|it| it.local_addr().unwrap().port() != port));
            let program = Program::serving(&wanting(port));
            assert_eq!(get(program.address("web"), "/healthz").1, "ok\n");
        },
    );
}

#[test]
fn a_connection_of_the_program_itself_to_a_backend_is_named_as_any_other() {
    in_namespace(
        "in_use::a_connection_of_the_program_itself_to_a_backend_is_named_as_any_other",
        || {
            let backend = Answering::tcp("b");
            let forward = format!("forward: {}", backend.address());
            let text = wanting(80).replace("serve: status", &forward);
            let mut program = Program::serving(&text);
            let session = connect(program.address("web"));
            ask_over(&session, "?");
            let port = sockets::sources_to(backend.address())[0];
            let more = wanting(port).replace("  web:", "  more:");
            let more = more.strip_prefix("portcullis: 1\nlisteners:\n").unwrap();
            let both = text.replace("runtime: { admin: none }\n", more);
            assert_eq!(program.refuse(&both), "REJECTED generation=1 findings=1");
            program.said("an outgoing connection has the port as its source");
            program.said(&format!("it is held by portcullis (pid {}", program.pid()));
            assert_eq!(ask_over(&session, "still"), "b: still");
        },
    );
}

#[test]
fn connections_in_time_wait_are_counted_and_a_minute_cures_them() {
    in_namespace("in_use::connections_in_time_wait_are_counted_and_a_minute_cures_them", || {
        let listener = careless_listener();
        for _ in 0..2 {
            let (mut client, server) = connected(&listener);
            drop(server);
            // The end of the stream proves that the server was the first to close.
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
        }
        drop(listener);
        eventually("TIME_WAIT alone", || sockets::states_on(8080) == [6].into());
        let said = [
            WHAT,
            "  = nothing listens; connections in TIME_WAIT: 2",
            "  = their listener had not set SO_REUSEADDR, so they keep the port",
            "help: wait a minute",
        ];
        assert_eq!(refused(), said);
    });
}

/// A listener whose only descriptor is in a message that nobody has read.
fn in_transit() -> (UnixStream, UnixStream) {
    let listener = careless_listener();
    let (sender, receiver) = UnixStream::pair().unwrap();
    scm::send(sender.as_fd(), b"x", &[listener.as_fd()]).unwrap();
    (sender, receiver)
}

#[test]
fn a_listener_that_is_in_transit_between_processes_is_said_to_belong_to_none() {
    in_namespaces(
        "in_use::a_listener_that_is_in_transit_between_processes_is_said_to_belong_to_none",
        PROCESSES,
        || {
            let _in_transit = in_transit();
            let said = refused();
            assert_eq!(said[0], WHAT);
            let whose = format!("  = {AT} belongs to user root");
            assert!(said[1].starts_with(&whose), "{said:?}");
            assert!(said[1].ends_with(", yet no process has a descriptor of it"), "{said:?}");
            let rest = [
                "  = it may be in transit between processes, kept by a service manager or by io_uring",
                "  = or its process is in another pid namespace",
                "help: look for a service manager that keeps it: `systemctl list-sockets`",
                "help: end the service that its cgroup names",
            ];
            assert_eq!(said[2..], rest);
        },
    );
}

#[test]
fn who_cannot_look_into_every_process_does_not_say_that_none_has_it() {
    in_namespace(
        "in_use::who_cannot_look_into_every_process_does_not_say_that_none_has_it",
        || {
            let _in_transit = in_transit();
            let said = refused();
            assert!(said[1].starts_with(&format!("  = {AT} is held by user root")), "{said:?}");
            let unseen = "of the processes cannot be read; any may hold it too";
            assert!(said[2].ends_with(unseen), "{said:?}");
            assert_eq!(said[3..], [STOP, "help: run as root to see its process"]);
        },
    );
}

/// The program, for which the kernel finds every address in use, or that of so many a call.
fn in_use_without_a_reason(when: &str, calls: &Path) -> Command {
    let (inject, calls) = (format!("inject=bind:error=EADDRINUSE{when}"), calls.to_str().unwrap());
    // The program stays the child of the test (-D), and what it starts is traced as well (-f).
    portcullis_through(&[
        "strace",
        "-D",
        "-f",
        "-qq",
        "-e",
        "trace=bind",
        "-e",
        &inject,
        "-o",
        calls,
    ])
}

/// The attempts to bind the port, of which strace has written so far.
fn attempts(calls: &Path, port: usize) -> Vec<String> {
    let text = fs::read_to_string(calls).expect("this test needs `strace`");
    let port = format!("sin_port=htons({port})");
    let of_it = text.lines().filter(|line| line.contains(&port));
    of_it.map(str::to_owned).collect()
}

#[test]
fn an_address_in_use_for_no_reason_that_is_to_be_found_is_tried_twice() {
    in_namespace(
        "in_use::an_address_in_use_for_no_reason_that_is_to_be_found_is_tried_twice",
        || {
            let folder = tempfile::tempdir().unwrap();
            let calls = folder.path().join("calls");
            let ended = refused_start_by(in_use_without_a_reason("", &calls), &wanting(8080));
            let said = [
                WHAT,
                "  = no socket of this network namespace explains it, on a second look too",
                "help: look for a cgroup BPF program that answers for the kernel: \
                 `bpftool cgroup tree`",
                "help: kernels 6.1 to 6.8 have bugs that report a port as taken: update the kernel",
            ];
            assert_eq!(lines_of(&ended), said);
            // What the last call was is perhaps written after the end of the program.
            eventually("both attempts", || attempts(&calls, 8080).len() >= 2);
            assert_eq!(attempts(&calls, 8080).len(), 2);
        },
    );
}

#[test]
fn an_address_that_is_free_at_the_second_attempt_is_served_without_a_word() {
    /// More than the sockets that the program binds.
    const BINDS: usize = 4;
    in_namespace(
        "in_use::an_address_that_is_free_at_the_second_attempt_is_served_without_a_word",
        || {
            let mut second_attempts = 0;
            // Which of the calls it is that binds the port is the affair of the program.
            for number in 1..=BINDS {
                let folder = tempfile::tempdir().unwrap();
                let calls = folder.path().join("calls");
                let command = in_use_without_a_reason(&format!(":when={number}"), &calls);
                // A port of its own, because a connection of before would be taken for the reason.
                let port = 8080 + number;
                let file = ServiceFile::new(&wanting(port));
                let program = Program::serving_by(command, file);
                assert_eq!(get(program.address("web"), "/healthz").1, "ok\n");
                assert!(!program.errors().contains("cannot bind"), "{}", program.errors());
                let attempts = attempts(&calls, port);
                if attempts.iter().any(|line| line.contains("(INJECTED)")) {
                    assert_eq!(attempts.len(), 2, "{attempts:?}");
                    second_attempts += 1;
                }
            }
            assert_eq!(second_attempts, 1);
        },
    );
}
