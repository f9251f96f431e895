//! What sessions cost that do nothing, and those that come and go without a word.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    thread,
    time::Duration,
};

use socket2::SockRef;

use crate::support::{
    Answering, Backend, LOOPBACK, Program,
    client::{ask_over, connect, read_text},
    namespace::in_namespace,
    one_listener,
};

use super::{SESSION_DESCRIPTORS, forwarding};

#[test]
fn an_idle_session_holds_two_sockets_and_nothing_else() {
    // Both ends of each are the test's, which may have no more than 1024 descriptors.
    const SESSIONS: usize = 400;
    in_namespace("faults::idle::an_idle_session_holds_two_sockets_and_nothing_else", || {
        let backend = Backend::new();
        let program = forwarding(backend.address(), &[]);
        let before = program.idle_descriptors();
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|_| {
                let (mut client, mut server) = (connect(program.address("web")), backend.accept());
                client.write_all(b"?").unwrap();
                assert_eq!(read_text(&server, 1), "?");
                server.write_all(b"!").unwrap();
                assert_eq!(read_text(&client, 1), "!");
                (client, server)
            })
            .collect();
        program.settles_at(before + SESSIONS * SESSION_DESCRIPTORS);
        assert_eq!(program.pipe_ends(), 0);
        drop(sessions);
        program.settles_at(before);
    });
}

#[test]
fn sessions_without_a_byte_leave_nothing_behind() {
    const SESSIONS: usize = 200;
    let backend = Answering::tcp("b");
    let program = forwarding(backend.address(), &[]);
    let before = program.idle_descriptors();
    for number in 0..SESSIONS {
        let client = connect(program.address("web"));
        if number % 2 == 0 {
            SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
    assert_eq!(ask_over(connect(program.address("web")), "?"), "b: ?");
    program.settles_at(before);
}

#[test]
fn requests_are_answered_while_eight_streams_of_bulk_cross_the_same_worker() {
    const STREAMS: usize = 8;
    const REQUESTS: usize = 200;
    let (answering, backend) = (Answering::tcp("b"), Backend::new());
    let listeners = one_listener(&[LOOPBACK, &format!("forward: {}", answering.address())]);
    let bulk = format!("  bulk:\n    {LOOPBACK}\n    forward: {}\n", backend.address());
    let program = Program::serving(&(listeners + &bulk + "runtime: { workers: 1 }\n"));
    let (over, moved) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..STREAMS {
            let (client, server) = (connect(program.address("bulk")), backend.accept());
            scope.spawn(|| send_until(&over, client));
            scope.spawn(|| count(&moved, server));
        }
        let session = connect(program.address("web"));
        for _ in 0..REQUESTS {
            // Each has a deadline of its own, which a worker that never let go would miss.
            assert_eq!(ask_over(&session, "?"), "b: ?");
        }
        assert_ne!(moved.load(SeqCst), 0, "there was no bulk");
        over.store(true, SeqCst);
    });
}

fn send_until(over: &AtomicBool, mut to: TcpStream) {
    let bytes = vec![7; 256 * 1024];
    while !over.load(SeqCst) {
        to.write_all(&bytes).unwrap();
    }
}

fn count(moved: &AtomicU64, mut from: TcpStream) {
    let mut bytes = vec![0; 256 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        moved.fetch_add(count as u64, SeqCst);
    }
}
