//! Clients: connections with a deadline on everything, and what is asked over them.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpStream},
};

use socket2::{Domain, Socket, Type};

use super::wait::{DEADLINE, eventually_some};

/// A connection whose every read and write has a deadline.
pub(crate) fn bounded(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Connects.
#[track_caller]
pub(crate) fn connect(to: SocketAddr) -> TcpStream {
    bounded(
        TcpStream::connect_timeout(&to, DEADLINE).unwrap_or_else(|error| panic!("{to}: {error}")),
    )
}

/// Sends a line over a connection and returns the line that is answered.
#[track_caller]
pub(crate) fn ask_over(mut stream: impl Read + Write, line: &str) -> String {
    try_ask_over(&mut stream, line).unwrap()
}

pub(crate) fn try_ask_over(stream: &mut (impl Read + Write), line: &str) -> io::Result<String> {
    // In one piece: what comes after a first small segment waits until that is acknowledged, which
    // takes its time.
    stream.write_all(format!("{line}\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\n") {
        stream.read_exact(&mut byte)?;
        answer.extend(byte);
    }
    answer.pop();
    String::from_utf8(answer).map_err(io::Error::other)
}

/// Connects, asks, and leaves.
pub(crate) fn try_ask(to: SocketAddr, line: &str) -> io::Result<String> {
    let mut stream = bounded(TcpStream::connect_timeout(&to, DEADLINE)?);
    try_ask_over(&mut stream, line)
}

/// The same where it has to work.
#[track_caller]
pub(crate) fn ask(to: SocketAddr, line: &str) -> String {
    try_ask(to, line).unwrap_or_else(|error| panic!("{to}: {error}"))
}

/// Reads so many bytes as text.
#[track_caller]
pub(crate) fn read_text(mut stream: impl Read, length: usize) -> String {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Reads until the other side has ended in order.
#[track_caller]
pub(crate) fn read_to_end(mut stream: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Says that nothing more will be sent.
#[track_caller]
pub(crate) fn finish(stream: &TcpStream) {
    stream.shutdown(Shutdown::Write).unwrap();
}

/// Whether the connection is over, in order or not, without a byte having come.
#[track_caller]
pub(crate) fn is_turned_away(mut stream: &TcpStream) -> bool {
    loop {
        match stream.read(&mut [0]) {
            Ok(count) => return count == 0,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return true,
            // With a deadline set, a process that was stopped for a while is told so.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => panic!("neither closed nor served: {error:?}"),
        }
    }
}

/// Whether a new client is let in by the kernel and then turned away by the program.
#[track_caller]
pub(crate) fn turns_away(at: SocketAddr) -> bool {
    turned_away(TcpStream::connect_timeout(&at, DEADLINE))
}

/// The same for a client from this address of the host.
#[track_caller]
pub(crate) fn turns_away_from(source: IpAddr, at: SocketAddr) -> bool {
    turned_away(try_connect_from(source, at))
}

/// A reset may come before the client has looked at its new connection.
#[track_caller]
fn turned_away(connected: io::Result<TcpStream>) -> bool {
    match connected {
        Ok(stream) => is_turned_away(&bounded(stream)),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => true,
        Err(error) => panic!("not even let in: {error}"),
    }
}

/// Waits until nothing listens there.
#[track_caller]
pub(crate) fn refused(at: SocketAddr) {
    eventually_some(&format!("{at} refuses"), || {
        let error = TcpStream::connect_timeout(&at, DEADLINE).err()?;
        (error.kind() == io::ErrorKind::ConnectionRefused).then_some(())
    });
}

/// Connects from this address of the host.
#[track_caller]
pub(crate) fn connect_from(source: IpAddr, to: SocketAddr) -> TcpStream {
    try_connect_from(source, to).unwrap()
}

pub(crate) fn try_connect_from(source: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    socket.connect_timeout(&to.into(), DEADLINE)?;
    Ok(bounded(socket.into()))
}
