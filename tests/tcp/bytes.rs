//! What one side sends the other receives, to the last byte, and each end is passed on.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::net::UnixStream,
    thread,
};

use crate::support::{
    Answering, Backend, LOOPBACK, Program, ServiceFile,
    client::{ask, ask_over, connect, finish, read_text, read_to_end},
    eventually, one_listener, sockets,
};

/// A program that forwards to a backend which the test plays.
fn forwarding() -> (Program, Backend) {
    let backend = Backend::new();
    let forward = format!("forward: {}", backend.address());
    (Program::serving(&one_listener(&[LOOPBACK, &forward])), backend)
}

/// A session: the client's end and the backend's.
fn session(program: &Program, backend: &Backend) -> (TcpStream, TcpStream) {
    (connect(program.address("web")), backend.accept())
}

#[test]
fn bytes_go_both_ways() {
    let (program, backend) = forwarding();
    let (mut client, mut server) = session(&program, &backend);
    client.write_all(b"question").unwrap();
    assert_eq!(read_text(&server, 8), "question");
    server.write_all(b"answer").unwrap();
    assert_eq!(read_text(&client, 6), "answer");
}

#[test]
fn a_backend_may_speak_first() {
    let (program, backend) = forwarding();
    let (client, mut server) = session(&program, &backend);
    server.write_all(b"220 ready").unwrap();
    assert_eq!(read_text(&client, 9), "220 ready");
}

#[test]
fn a_client_that_has_finished_still_gets_its_answer() {
    let (program, backend) = forwarding();
    let (mut client, mut server) = session(&program, &backend);
    client.write_all(b"question").unwrap();
    finish(&client);
    assert_eq!(read_to_end(&server), b"question");
    server.write_all(b"a long answer").unwrap();
    drop(server);
    assert_eq!(read_to_end(&client), b"a long answer");
}

#[test]
fn a_backend_that_has_finished_still_gets_the_rest() {
    let (program, backend) = forwarding();
    let (mut client, mut server) = session(&program, &backend);
    server.write_all(b"greeting").unwrap();
    finish(&server);
    assert_eq!(read_to_end(&client), b"greeting");
    client.write_all(b"and some more").unwrap();
    drop(client);
    assert_eq!(read_to_end(&server), b"and some more");
}

#[test]
fn a_reset_is_passed_on() {
    let (program, backend) = forwarding();
    let (mut client, mut server) = session(&program, &backend);
    // Joined for certain: a client that breaks off while its backend is still being reached is a
    // case of its own.
    client.write_all(b"?").unwrap();
    server.read_exact(&mut [0]).unwrap();
    socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(client);
    let error = server.read(&mut [0]);
    assert_eq!(error.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_tcp_client_reaches_a_backend_on_a_path() {
    let file = ServiceFile::new("");
    let path = file.beside("backend.sock");
    let _backend = Answering::unix("path", &path);
    let forward = format!("forward: {{ unix: {} }}", path.display());
    file.replace(&one_listener(&[LOOPBACK, &forward]));
    let program = Program::serving_file(file);
    assert_eq!(ask(program.address("web"), "hello"), "path: hello");
}

#[test]
fn a_client_on_a_path_reaches_a_tcp_backend() {
    let backend = Answering::tcp("tcp");
    let file = ServiceFile::new("");
    let path = file.beside("front.sock");
    let expose = format!("expose: {{ unix: {{ path: {}, mode: \"0600\" }} }}", path.display());
    file.replace(&one_listener(&[&expose, &format!("forward: {}", backend.address())]));
    let mut program = Program::serving_file(file);
    assert_eq!(program.bound()["web"], [path.to_str().unwrap()]);
    assert_eq!(ask_over(UnixStream::connect(&path).unwrap(), "hello"), "tcp: hello");
    program.stop();
    assert!(!path.exists(), "its own file is removed at the end");
}

/// Bytes of a block, and how many of them go each way: 64 MiB in all.
const BLOCK: usize = 64 * 1024;
const BLOCKS: usize = 1024;

/// Makes blocks that are like no other: each begins with its number, which also shifts its pattern.
struct Blocks(Vec<u8>);

const PERIOD: u8 = 251;

impl Blocks {
    fn new() -> Self {
        Self((0..PERIOD).cycle().take(BLOCK + usize::from(PERIOD)).collect())
    }

    fn block(&self, number: usize) -> Vec<u8> {
        let mut block = self.0[number % usize::from(PERIOD)..][..BLOCK].to_vec();
        block[..8].copy_from_slice(&number.to_be_bytes());
        block
    }

    fn send(&self, mut to: &TcpStream, salt: usize) {
        (0..BLOCKS).for_each(|number| to.write_all(&self.block(number ^ salt)).unwrap());
        finish(to);
    }

    fn expect(&self, mut from: &TcpStream, salt: usize) {
        let mut got = vec![0; BLOCK];
        for number in 0..BLOCKS {
            from.read_exact(&mut got).unwrap();
            assert!(got == self.block(number ^ salt), "block {number} is another");
        }
        assert_eq!(from.read(&mut got).unwrap(), 0, "nothing comes after the last block");
    }
}

#[test]
fn sixty_four_mebibytes_each_way_at_once_arrive_as_they_were_sent() {
    const ANSWER: usize = 1 << 30;
    let (program, backend) = forwarding();
    let (client, server) = session(&program, &backend);
    let blocks = Blocks::new();
    thread::scope(|scope| {
        scope.spawn(|| blocks.send(&client, 0));
        scope.spawn(|| blocks.send(&server, ANSWER));
        scope.spawn(|| blocks.expect(&server, 0));
        blocks.expect(&client, ANSWER);
    });
}

#[test]
fn an_answer_is_whole_though_the_backend_goes_without_having_read_everything() {
    const ANSWER: usize = 256 * 1024;
    let (program, backend) = forwarding();
    let (mut client, mut server) = session(&program, &backend);
    let from_program = server.peer_addr().unwrap();
    // The client reads nothing yet, and what it sends nobody will read.
    client.write_all(&vec![b'q'; 64 * 1024]).unwrap();
    server.write_all(&vec![b'a'; ANSWER]).unwrap();
    finish(&server);
    // Only what has left the backend can survive its reset.
    eventually("the program has the whole answer", || {
        sockets::unsent(server.local_addr().unwrap(), from_program) == 0
    });
    drop(server);
    assert_eq!(read_to_end(&client).len(), ANSWER);
}
