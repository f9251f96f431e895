//! Peers that stop reading, dawdle, never answer or break off: the other side gets what was sent
//! before, learns what happened, and no session outlives its timeouts.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    sync::mpsc,
    thread,
    time::Duration,
};

use socket2::SockRef;

use crate::support::{
    Backend, Program,
    client::{connect, read_to_end},
};

use super::recording;

/// A time without a byte that ends a session.
const IDLE: &str = "timeouts: { idle: 1s }";

/// What is read or written for this long without effect does not move.
const STALLED: Duration = Duration::from_millis(300);

/// A session's two ends, the one that is to misbehave first.
#[track_caller]
fn session(program: &Program, backend: &Backend, client_first: bool) -> (TcpStream, TcpStream) {
    let (client, server) = (connect(program.address("web")), backend.accept());
    if client_first { (client, server) } else { (server, client) }
}

/// Writes until nothing more is taken, and returns how much was.
fn write_until_stalled(mut to: &TcpStream) -> usize {
    /// More than all the buffers of the kernel on the way hold.
    const UNREASONABLE: usize = 256 << 20;
    to.set_write_timeout(Some(STALLED)).unwrap();
    let bytes = pattern(64 * 1024);
    let mut taken = 0;
    while let Ok(count) = to.write(&bytes[taken % bytes.len()..]) {
        taken += count;
        assert!(taken < UNREASONABLE, "nobody reads this");
    }
    taken
}

fn pattern(length: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(length).collect()
}

#[test]
fn who_stops_reading_stops_the_sender_costs_no_memory_and_is_ended() {
    const SESSIONS: usize = 8;
    /// What the program may grow by: far less than what the senders would like to send.
    const GROWTH_KIB: usize = 8 * 1024;
    for client_stops in [true, false] {
        let backend = Backend::new();
        let mut program = recording(backend.address(), &[IDLE]);
        let (before, resident) = (program.idle_descriptors(), program.resident_kib());
        let sessions: Vec<_> =
            (0..SESSIONS).map(|_| session(&program, &backend, client_stops)).collect();
        let taken: Vec<_> = thread::scope(|scope| {
            let senders: Vec<_> = sessions
                .iter()
                .map(|(_, sender)| scope.spawn(|| write_until_stalled(sender)))
                .collect();
            senders.into_iter().map(|sender| sender.join().unwrap()).collect()
        });
        let grown = program.resident_kib().saturating_sub(resident);
        assert!(grown < GROWTH_KIB, "{grown} KiB more for {taken:?}");
        for _ in 0..SESSIONS {
            assert_eq!(program.record()["outcome"], "idle");
        }
        program.settles_at(before);
        // A pipe with bytes in it is of no use to another session.
        let ends = program.pipe_ends();
        assert!(ends <= SESSIONS, "{ends} descriptors of pipes");
        for ((reader, _), taken) in sessions.iter().zip(taken) {
            let (mut reader, mut got) = (reader, Vec::new());
            // The end may be a reset, since not everything was delivered; what came is right.
            let _reset = reader.read_to_end(&mut got);
            assert!(got.len() <= taken);
            assert!(got == pattern(got.len()), "{} other bytes", got.len());
        }
    }
}

#[test]
fn single_bytes_are_passed_on_as_they_come_and_keep_a_session_alive() {
    for client_sends in [true, false] {
        let backend = Backend::new();
        let mut program = recording(backend.address(), &[IDLE]);
        let (mut sender, mut reader) = session(&program, &backend, client_sends);
        reader.set_read_timeout(Some(STALLED)).unwrap();
        // Altogether longer than a session may be idle.
        for byte in 0..6 {
            assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
            sender.write_all(&[byte]).unwrap();
            let mut got = [0];
            sender.set_read_timeout(Some(STALLED)).unwrap();
            crate::support::eventually("the byte", || reader.read(&mut got).is_ok());
            assert_eq!(got, [byte]);
        }
        drop((sender, reader));
        let record = program.record();
        let moved = if client_sends { "bytes_to_backend" } else { "bytes_to_client" };
        assert_eq!(record[moved], 6);
    }
}

#[test]
fn a_backend_that_never_answers_is_ended_by_the_timeout_on_both_sides() {
    let backend = Backend::new();
    let mut program = recording(backend.address(), &[IDLE]);
    let before = program.idle_descriptors();
    let (mut client, server) = session(&program, &backend, true);
    client.write_all(b"?").unwrap();
    assert_eq!(read_to_end(&client), b"", "an end, no reset");
    assert_eq!(read_to_end(&server), b"?", "an end, no reset");
    drop((client, server));
    assert_eq!(program.record()["outcome"], "idle");
    program.settles_at(before);
}

#[test]
fn a_reset_in_the_middle_of_bulk_reaches_the_other_side_as_a_reset() {
    const READ: usize = 3 << 20;
    for client_resets in [true, false] {
        for reader_resets in [true, false] {
            let backend = Backend::new();
            let mut program = recording(backend.address(), &[]);
            let before = program.idle_descriptors();
            let (breaking, other) = session(&program, &backend, client_resets);
            if reader_resets {
                the_reader_breaks_off(breaking, &other, READ);
            } else {
                the_sender_breaks_off(breaking, &other, READ);
            }
            let expected = if client_resets { "client_reset" } else { "backend_reset" };
            assert_eq!(program.record()["outcome"], expected, "the reader: {reader_resets}");
            drop(other);
            program.settles_at(before);
        }
    }
}

#[track_caller]
fn the_sender_breaks_off(breaking: TcpStream, mut other: &TcpStream, read: usize) {
    // A reset throws away what the sender's kernel still holds, so it waits for the first half to
    // arrive.
    let (arrived, half) = mpsc::channel();
    thread::scope(|scope| {
        let sender = scope.spawn(move || {
            (&breaking).write_all(&pattern(2 * read)).unwrap();
            half.recv().unwrap();
            reset(breaking);
        });
        let mut got = vec![0; read];
        other.read_exact(&mut got).unwrap();
        arrived.send(()).unwrap();
        assert!(got == pattern(read), "other bytes");
        let mut rest = Vec::new();
        let error = other.read_to_end(&mut rest).expect_err("a reset, no end");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        got.extend(rest);
        assert!(got == pattern(got.len()), "other bytes before the reset");
        sender.join().unwrap();
    });
}

#[track_caller]
fn the_reader_breaks_off(breaking: TcpStream, mut other: &TcpStream, read: usize) {
    thread::scope(|scope| {
        let sender = scope.spawn(move || {
            let bytes = pattern(64 * 1024);
            loop {
                if let Err(error) = other.write_all(&bytes) {
                    return error.kind();
                }
            }
        });
        read_pattern(&breaking, read);
        reset(breaking);
        let kind = sender.join().unwrap();
        assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind:?}");
    });
}

#[track_caller]
fn read_pattern(mut from: &TcpStream, length: usize) {
    let mut got = vec![0; length];
    from.read_exact(&mut got).unwrap();
    assert!(got == pattern(length), "other bytes");
}

fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}
