//! The end of the program: who is in may finish, who comes is refused, and the next start finds its
//! port.

use std::{
    collections::BTreeSet,
    io::Write as _,
    net::SocketAddr,
    os::unix::net::{UnixListener, UnixStream},
    time::Duration,
};

use crate::support::{
    Answering, Backend, Ended, LOOPBACK, Program, ServiceFile,
    client::{ask, ask_over, connect, finish, is_turned_away, read_to_end, refused},
    eventually,
    http::get_over,
    namespace::in_namespace,
    one_listener, portcullis, sockets,
};

/// A program with so much time to drain.
fn with(backend: SocketAddr, drain: &str) -> String {
    one_listener(&[LOOPBACK, &format!("forward: {backend}")])
        + &format!("runtime: {{ drain: {drain}, access_log: {{ format: json, to: stdout }} }}\n")
}

#[test]
fn sessions_finish_new_clients_are_refused_and_the_end_is_a_success() {
    for signal in ["TERM", "INT"] {
        let backend = Answering::tcp("b");
        let mut program = Program::serving(&with(backend.address(), "1h"));
        let session = connect(program.address("web"));
        ask_over(&session, "?");
        program.signal(signal);
        refused(program.address("web"));
        assert_eq!(ask_over(&session, "still"), "b: still");
        drop(session);
        assert_eq!(program.ended().code(), Some(0), "{signal}");
        let rest = program.rest();
        assert!(rest.iter().any(|line| line.contains("\"outcome\":\"client_closed\"")), "{rest:?}");
    }
}

#[test]
fn without_sessions_the_end_comes_at_once() {
    let mut program = Program::serving(&with(Backend::new().address(), "1h"));
    program.stop();
}

#[test]
fn at_the_deadline_sessions_are_ended() {
    let backend = Answering::tcp("b");
    let mut program = Program::serving(&with(backend.address(), "200ms"));
    let session = connect(program.address("web"));
    ask_over(&session, "?");
    program.signal("TERM");
    assert!(is_turned_away(&session));
    assert_eq!(program.ended().code(), Some(0));
    let rest = program.rest();
    assert!(rest.iter().any(|line| line.contains("\"outcome\":\"drained\"")), "{rest:?}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let backend = Answering::tcp("b");
    let mut program = Program::serving(&with(backend.address(), "1h"));
    let session = connect(program.address("web"));
    ask_over(&session, "?");
    program.signal("TERM");
    refused(program.address("web"));
    program.signal("TERM");
    assert_eq!(program.ended().code(), Some(0));
    assert!(is_turned_away(&session));
}

#[test]
fn a_probe_that_is_still_in_is_told_to_look_elsewhere() {
    let mut program = Program::serving(&one_listener(&[LOOPBACK, "serve: status"]));
    let page = program.address("web");
    let probe = connect(page);
    // The connection is in: the one accepted after it has been answered.
    assert_eq!(crate::support::http::get(page, "/healthz").1, "ok\n");
    program.signal("TERM");
    refused(page);
    assert_eq!(
        get_over(&probe, "/healthz"),
        ("HTTP/1.1 503 Service Unavailable".to_owned(), "draining\n".to_owned())
    );
    drop(probe);
    assert_eq!(program.ended().code(), Some(0));
}

#[test]
fn a_path_of_its_own_is_removed_and_one_of_another_is_left_alone() {
    let service = ServiceFile::new("");
    let path = service.beside("front.sock");
    let expose = format!("expose: {{ unix: {{ path: {}, mode: \"0600\" }} }}", path.display());
    service.replace(&one_listener(&[&expose, "serve: status"]));
    let mut program = Program::serving_file(service);
    std::fs::remove_file(&path).unwrap();
    let another = UnixListener::bind(&path).unwrap();
    program.stop();
    assert!(path.exists(), "it belongs to another by now");
    drop(another);
}

#[test]
fn a_path_that_a_crash_has_left_is_taken_and_a_living_one_is_not() {
    let service = ServiceFile::new("");
    let path = service.beside("front.sock");
    let expose = format!("expose: {{ unix: {{ path: {}, mode: \"0600\" }} }}", path.display());
    let text = one_listener(&[&expose, "serve: status"]);
    let mut first = Program::serving(&text);
    first.kill();
    assert!(path.exists(), "nobody has cleaned up");
    let _second = Program::serving(&text);
    let probe = || get_over(UnixStream::connect(&path).unwrap(), "/healthz").1;
    assert_eq!(probe(), "ok\n");
    let third = ServiceFile::new(&text).serving();
    let ended = Ended::with(["run".as_ref(), third.path().as_os_str()]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.err.contains("a living socket is there"), "{}", ended.err);
    assert_eq!(probe(), "ok\n", "the second is not touched");
}

/// A process that ends over unread input resets the connection, and what is under way is lost.
#[test]
fn an_answer_is_whole_though_the_program_ends_over_input_that_nobody_has_read() {
    const ANSWER: usize = 64 * 1024;
    // Either the backend ends the session, or the deadline does.
    for (drain, backend_ends) in [("1h", true), ("500ms", false)] {
        let backend = Backend::new();
        let mut program = Program::serving(&with(backend.address(), drain));
        let (mut client, mut server) = (connect(program.address("web")), backend.accept());
        // What the client sends the backend never reads, so some of it stays in the program.
        client.set_write_timeout(Some(WITHOUT_PROGRESS)).unwrap();
        while client.write(&[b'q'; 4096]).is_ok() {}
        server.write_all(&[b'a'; ANSWER]).unwrap();
        let from_program = server.peer_addr().unwrap();
        eventually("the program has the whole answer", || {
            sockets::unsent(server.local_addr().unwrap(), from_program) == 0
        });
        program.signal("TERM");
        program.said("stopping sessions=1");
        if backend_ends {
            finish(&server);
            drop(server);
        }
        // The client reads nothing before the program is gone.
        assert_eq!(program.ended().code(), Some(0), "{drain}");
        assert_eq!(read_to_end(&client).len(), ANSWER, "{drain}");
    }
}

/// Who could not write for so long will not be able to.
const WITHOUT_PROGRESS: Duration = Duration::from_millis(300);

/// States in the order of `/proc/net/tcp`.
const ESTABLISHED: u8 = 1;
const FIN_WAIT2: u8 = 5;
const TIME_WAIT: u8 = 6;
const CLOSE_WAIT: u8 = 8;

const FIXED: &str = "127.0.0.1:8080";

/// The same as [`with`], at a port that the next start wants again.
fn fixed(backend: SocketAddr) -> String {
    with(backend, "1h").replace("port: 0", "port: 8080")
}

#[test]
fn a_restart_binds_at_once_whatever_connections_are_left() {
    in_namespace("shutdown::a_restart_binds_at_once_whatever_connections_are_left", || {
        let backend = Backend::new();
        let at = FIXED.parse().unwrap();
        let old = Program::serving(&fixed(backend.address()));
        let session = || (connect(at), backend.accept());
        let _established = session();
        let fin_wait2 = session();
        finish(&fin_wait2.1);
        assert!(read_to_end(&fin_wait2.0).is_empty());
        let close_wait = session();
        finish(&close_wait.0);
        assert!(read_to_end(&close_wait.1).is_empty());
        let time_wait = session();
        finish(&time_wait.1);
        assert!(read_to_end(&time_wait.0).is_empty());
        drop(time_wait);
        let wanted = BTreeSet::from([ESTABLISHED, FIN_WAIT2, TIME_WAIT, CLOSE_WAIT]);
        eventually("leftovers in every state", || sockets::states_on(8080) == wanted);
        old.signal("TERM");
        refused(at);
        assert_eq!(sockets::states_on(8080), wanted, "all of them are still there");
        let answering = Answering::tcp("new");
        let _new = Program::serving(&fixed(answering.address()));
        assert_eq!(ask(at, "?"), "new: ?");
    });
}

#[test]
fn after_a_crash_the_next_start_binds_at_once() {
    in_namespace("shutdown::after_a_crash_the_next_start_binds_at_once", || {
        let backend = Answering::tcp("b");
        let at = FIXED.parse().unwrap();
        let mut program = Program::serving(&fixed(backend.address()));
        for _ in 0..3 {
            let held: Vec<_> = (0..4).map(|_| connect(at)).collect();
            held.iter().for_each(|session| _ = ask_over(session, "?"));
            program.kill();
            assert!(!sockets::states_on(8080).is_empty(), "something is left over");
            program =
                Program::serving_by(portcullis(), ServiceFile::new(&fixed(backend.address())));
            assert_eq!(ask(at, "?"), "b: ?");
        }
    });
}
