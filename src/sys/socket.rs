//! What `socket2` and `nix` lack for sockets: thin, and safe to call.

#![expect(unsafe_code, reason = "accept4 with an address, and options without a wrapper")]

use std::{
    ffi::c_int,
    io, mem,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    time::Duration,
};

use nix::sys::stat::fstat;
use socket2::{Domain, SockAddr, SockRef};

use super::bytes::take;

/// `IP_PKTOPTIONS` of `linux/in.h`.
const IP_PKTOPTIONS: c_int = 9;

/// `IPV6_2292PKTOPTIONS` of `linux/in6.h`.
const IPV6_2292PKTOPTIONS: c_int = 6;

/// More than the control messages that an accepted connection carries: the ingress interface alone
/// is asked for.
const MAX_CONTROL: usize = 512;

/// Accepts one connection: not blocking, closed on exec, and with the address it came from, in one
/// system call.
///
/// # Errors
/// `EAGAIN` when nobody waits. The rest may be about the client, this host or the listener.
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, SockAddr)> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let accept = |storage: *mut socket2::SockAddrStorage, length: *mut libc::socklen_t| {
        // SAFETY: both pointers are from `try_init`, which has room for any address and a size.
        let fd = unsafe { libc::accept4(listener.as_raw_fd(), storage.cast(), length, flags) };
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(fd) }
    };
    // SAFETY: `accept` is successful only if the kernel has written an address and its length.
    let (fd, peer) = unsafe { SockAddr::try_init(accept) }?;
    // SAFETY: `accept4` has just made this descriptor, and nothing else knows it.
    Ok((unsafe { OwnedFd::from_raw_fd(fd) }, peer))
}

/// Has connections of this listener remember the interface they came in by (IP_PKTINFO,
/// IPV6_RECVPKTINFO). To be set before `listen`: connections inherit it.
///
/// # Errors
/// When the kernel refuses the option, or the socket is not of IP.
pub fn remember_ingress(socket: BorrowedFd<'_>) -> io::Result<()> {
    let (level, name) = ingress_option(socket)?;
    set_option(socket, level, name, 1)
}

/// Whether [`remember_ingress`] is in force.
///
/// # Errors
/// When the kernel refuses the question, or the socket is not of IP.
pub fn remembers_ingress(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let (level, name) = ingress_option(socket)?;
    let mut value = [0; size_of::<c_int>()];
    option_into(socket, level, name, &mut value)?;
    Ok(value != [0; size_of::<c_int>()])
}

/// The interface that the client's SYN of this connection came in by, which neither its local
/// address (the weak host model) nor the routing table tells. `None` unless its listener had
/// [`remember_ingress`] set.
///
/// # Errors
/// When the kernel refuses the question, or the socket is not of IP.
pub fn ingress_index(connection: BorrowedFd<'_>) -> io::Result<Option<u32>> {
    let (level, name) = match domain(connection)? {
        Domain::IPV4 => (libc::IPPROTO_IP, IP_PKTOPTIONS),
        _ => (libc::IPPROTO_IPV6, IPV6_2292PKTOPTIONS),
    };
    let mut control = [0; MAX_CONTROL];
    let length = option_into(connection, level, name, &mut control)?;
    Ok(control.get(..length).and_then(interface_of))
}

/// Connections that have been made and wait to be accepted (`tcpi_unacked` of a listener).
///
/// # Errors
/// When the kernel refuses the question, or the socket is not of TCP.
pub fn accept_queue(listener: BorrowedFd<'_>) -> io::Result<u32> {
    tcp_information(listener, mem::offset_of!(libc::tcp_info, tcpi_unacked))
}

/// How many may wait so (`tcpi_sacked` of a listener): the backlog, as the kernel has clamped it.
///
/// # Errors
/// When the kernel refuses the question, or the socket is not of TCP.
pub fn accept_limit(listener: BorrowedFd<'_>) -> io::Result<u32> {
    tcp_information(listener, mem::offset_of!(libc::tcp_info, tcpi_sacked))
}

/// Makes the close of this connection a reset, which the peer cannot take for an orderly end
/// (SO_LINGER {1, 0}).
///
/// # Errors
/// When the kernel refuses the option.
pub fn abort_on_close(connection: BorrowedFd<'_>) -> io::Result<()> {
    SockRef::from(&connection).set_linger(Some(Duration::ZERO))
}

/// The socket's number in `/proc/*/fd` and in sock_diag.
///
/// # Errors
/// When the kernel refuses the question.
pub fn inode(socket: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(fstat(socket)?.st_ino)
}

/// Who listens at the other end of a connected path socket: process id and user id.
///
/// # Errors
/// When the kernel refuses the question.
pub fn peer_credentials(socket: impl AsFd) -> io::Result<(i32, u32)> {
    use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
    let credentials = getsockopt(&socket, PeerCredentials)?;
    Ok((credentials.pid(), credentials.uid()))
}

/// A field of TCP_INFO, by its offset.
fn tcp_information(socket: BorrowedFd<'_>, offset: usize) -> io::Result<u32> {
    let mut information = [0; size_of::<libc::tcp_info>()];
    option_into(socket, libc::IPPROTO_TCP, libc::TCP_INFO, &mut information)?;
    let field = information.get(offset..).and_then(<[u8]>::first_chunk);
    Ok(u32::from_ne_bytes(*field.expect("the offset lies inside the struct")))
}

fn ingress_option(socket: BorrowedFd<'_>) -> io::Result<(c_int, c_int)> {
    match domain(socket)? {
        Domain::IPV4 => Ok((libc::IPPROTO_IP, libc::IP_PKTINFO)),
        Domain::IPV6 => Ok((libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)),
        _ => Err(io::Error::from(io::ErrorKind::Unsupported)),
    }
}

fn domain(socket: BorrowedFd<'_>) -> io::Result<Domain> {
    SockRef::from(&socket).domain()
}

/// The interface in a list of control messages (`man 3 cmsg`).
fn interface_of(mut control: &[u8]) -> Option<u32> {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    loop {
        let mut rest = control;
        let length = usize::from_ne_bytes(take(&mut rest)?);
        let level = c_int::from_ne_bytes(take(&mut rest)?);
        let kind = c_int::from_ne_bytes(take(&mut rest)?);
        let mut data = control.get(HEADER..length)?;
        match (level, kind) {
            // `struct in_pktinfo` begins with it.
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => return take(&mut data).map(u32::from_ne_bytes),
            // `struct in6_pktinfo` has the address before it.
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO | libc::IPV6_2292PKTINFO) => {
                let _address: [u8; 16] = take(&mut data)?;
                return take(&mut data).map(u32::from_ne_bytes);
            }
            _ => control = control.get(length.next_multiple_of(size_of::<usize>())..)?,
        }
    }
}

fn set_option(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<c_int>()).expect("four");
    let value: *const c_int = &raw const value;
    // SAFETY: `value` points at a live `c_int`, and `length` is its size.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.cast(), length) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Reads an option's bytes and says how many there are.
fn option_into(
    socket: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: &mut [u8],
) -> io::Result<usize> {
    let mut length = libc::socklen_t::try_from(value.len()).expect("options are small");
    let at = value.as_mut_ptr().cast();
    // SAFETY: `at` has room for `length` bytes, and any bytes are valid ones of a `[u8]`.
    let done = unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, at, &raw mut length) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(length).expect("32 bits fit"))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{ErrorKind, Read},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    fn listener(address: &str) -> TcpListener {
        TcpListener::bind(address).unwrap()
    }

    #[test]
    fn an_accepted_connection_is_not_blocking_and_says_who_it_is() {
        let listener = listener("127.0.0.1:0");
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (fd, peer) = accept(listener.as_fd()).unwrap();
        assert_eq!(peer.as_socket(), client.local_addr().ok());
        let mut stream = TcpStream::from(fd);
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn nobody_waiting_is_would_block() {
        let listener = listener("127.0.0.1:0");
        listener.set_nonblocking(true).unwrap();
        assert_eq!(accept(listener.as_fd()).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn a_connection_tells_its_ingress_interface_only_if_its_listener_remembers() {
        let listener = listener("127.0.0.1:0");
        let accepted = || {
            let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            accept(listener.as_fd()).unwrap().0
        };
        assert_eq!(ingress_index(accepted().as_fd()).unwrap(), None);
        assert!(!remembers_ingress(listener.as_fd()).unwrap());
        remember_ingress(listener.as_fd()).unwrap();
        assert!(remembers_ingress(listener.as_fd()).unwrap());
        // `lo` is interface 1 of every network namespace.
        assert_eq!(ingress_index(accepted().as_fd()).unwrap(), Some(1));
    }

    #[test]
    fn a_hostile_control_message_has_no_interface_and_does_not_panic() {
        let mut good = 20usize.to_ne_bytes().to_vec();
        good.extend(libc::IPPROTO_IP.to_ne_bytes());
        good.extend(libc::IP_PKTINFO.to_ne_bytes());
        good.extend(7u32.to_ne_bytes());
        assert_eq!(interface_of(&good), Some(7));
        for end in 0..good.len() {
            assert_eq!(interface_of(&good[..end]), None);
        }
        for length in [0, 8, 15, 19, 21, usize::MAX] {
            let lie = [&length.to_ne_bytes()[..], &good[8..]].concat();
            assert_eq!(interface_of(&lie), None, "{length}");
        }
    }

    #[test]
    fn waiting_connections_are_counted() {
        let listener = listener("127.0.0.1:0");
        assert_eq!(accept_queue(listener.as_fd()).unwrap(), 0);
        let _one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _two = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(accept_queue(listener.as_fd()).unwrap(), 2);
    }

    #[test]
    fn an_aborted_connection_ends_in_a_reset() {
        let listener = listener("127.0.0.1:0");
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (fd, _) = accept(listener.as_fd()).unwrap();
        abort_on_close(fd.as_fd()).unwrap();
        drop(fd);
        assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}
