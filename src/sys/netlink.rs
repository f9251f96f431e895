//! Questions to the kernel over netlink: addresses, interfaces and sockets, as plain data.
//!
//! Reading an answer is a pure function over bytes that believes no length it did not check, so
//! that tests can feed it whatever a kernel should never send.

mod diag;
mod message;
mod path;
mod route;
mod watch;

pub use diag::{
    OpenSocket, TcpSocket, TcpState, handshakes_on, tcp_listeners, tcp_sockets_on, udp_receivers,
};
pub use path::{FileOnDevice, PathSocket, path_listeners};
pub use route::{Address, Link, addresses, links};
pub use watch::Watch;

use std::{
    io::{self, Read},
    time::Duration,
};

use message::{Messages, request};
use socket2::{Domain, Protocol, Socket, Type};

/// What one read takes. The kernel fills at most 32 KiB of a dump into one datagram.
const DATAGRAM: usize = 64 * 1024;

/// Reads per dump. At some hundred entries each this is millions; a dump that is longer is not ours
/// to hold.
const MAX_DATAGRAMS: usize = 16 * 1024;

/// The kernel answers a dump out of memory; without an answer in this time there will be none.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether a dump shows one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Consistency {
    /// Nothing changed while it was made.
    Whole,
    /// Something changed meanwhile (NLM_F_DUMP_INTR); entries may be missing or double.
    Interrupted,
}

/// Asks for everything of one kind and gives each answering message's kind and payload to `each`.
fn dump(
    protocol: i32,
    kind: u16,
    body: &[u8],
    mut each: impl FnMut(u16, &[u8]),
) -> io::Result<Consistency> {
    let mut socket =
        Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(Protocol::from(protocol)))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(&request(kind, body))?;

    let mut consistency = Consistency::Whole;
    let mut buffer = vec![0; DATAGRAM];
    for _ in 0..MAX_DATAGRAMS {
        let read = socket.read(&mut buffer)?;
        let datagram = buffer.get(..read).filter(|_| read < DATAGRAM).ok_or_else(malformed)?;
        for message in Messages::of(datagram) {
            let message = message.ok_or_else(malformed)?;
            if message.interrupted() {
                consistency = Consistency::Interrupted;
            }
            match i32::from(message.kind) {
                libc::NLMSG_NOOP => {}
                libc::NLMSG_DONE => return Ok(consistency),
                libc::NLMSG_ERROR => return Err(message.error().unwrap_or_else(malformed)),
                _ => each(message.kind, message.payload),
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::FileTooLarge, "the kernel's answer does not end"))
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed netlink answer")
}
