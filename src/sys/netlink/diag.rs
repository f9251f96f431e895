//! The kernel's TCP and UDP sockets, whoever owns them (`man 7 sock_diag`).

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::{dump, message::Attributes};
use crate::sys::bytes::take;

/// More sockets on one port than a diagnosis can use; further ones are not kept.
const MAX_SOCKETS: usize = 16_384;

/// More listeners than a host can have descriptors for. A table beyond it is refused rather than
/// cut, because what is missing from it would pass for closed.
const MAX_LISTENERS: usize = 1 << 20;

/// `SOCK_DIAG_BY_FAMILY` of `linux/sock_diag.h`.
pub(super) const SOCK_DIAG_BY_FAMILY: u16 = 20;

/// Attribute of a listening or unconnected IPv6 socket: its IPV6_V6ONLY.
const INET_DIAG_SKV6ONLY: u16 = 11;

/// Attribute: the id of the cgroup that made the socket (since Linux 5.7).
const INET_DIAG_CGROUP_ID: u16 = 21;

/// Every state, bound without listening (bit 13, since Linux 6.8) among them.
const ALL_STATES: u32 = 0x3fff;

/// The states that every kernel knows.
const OLD_STATES: u32 = 0x0fff;

/// The bit of state 10.
pub(super) const LISTEN: u32 = 1 << 10;

/// The bit of state 7, in which a UDP socket is that has no peer: anybody may send to it.
const UNCONNECTED: u32 = 1 << 7;

/// `SYN_RECV`, and `NEW_SYN_RECV` (12), which handshakes are kept in since Linux 4.4 and which is
/// shown as the former.
const HANDSHAKES: u32 = 1 << 3 | 1 << 12;

/// One TCP socket, as the kernel tells anyone who asks, privileged or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpSocket {
    /// Its state.
    pub state: TcpState,
    /// Whether it is of IPv6; such a socket may serve IPv4 as well.
    pub v6: bool,
    /// The near end.
    pub local: SocketAddr,
    /// The far end; unspecified for a listener.
    pub peer: SocketAddr,
    /// Index of the interface it is tied to by SO_BINDTODEVICE; 0 for none.
    pub device: u32,
    /// The user who made it; 0 also for what nobody owns, such as TIME_WAIT.
    pub uid: u32,
    /// Its number in `/proc/*/fd`; 0 when no descriptor refers to it.
    pub inode: u32,
    /// IPV6_V6ONLY of a listener or unconnected socket of IPv6.
    pub only_v6: bool,
    /// The cgroup that made it, if the kernel says so.
    pub cgroup: Option<u64>,
}

/// A socket that takes whatever comes to its address: it listens (TCP), or has no peer (UDP). The
/// text tables of `/proc/net` have neither its device nor IPV6_V6ONLY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenSocket {
    /// Where it is bound; an IPv6 socket on a mapped address serves IPv4.
    pub local: SocketAddr,
    /// Index of the interface it is tied to by SO_BINDTODEVICE or by its scope; 0 for none.
    pub device: u32,
    /// Its IPV6_V6ONLY; `false` of an IPv4 socket.
    pub only_v6: bool,
    /// The user who made it.
    pub uid: u32,
    /// Its number in `/proc/*/fd`.
    pub inode: u32,
}

/// A state of TCP, by the kernel's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are those of RFC 9293")]
pub enum TcpState {
    Established,
    SynSent,
    SynReceived,
    FinWait1,
    FinWait2,
    TimeWait,
    /// Also what a socket that is bound and does not listen is shown as.
    Close,
    CloseWait,
    LastAck,
    Listen,
    Closing,
    Other(u8),
}

/// The sockets of both families whose local port is `port`, in every state.
///
/// # Errors
/// When the kernel refuses the question or its answer makes no sense.
pub fn tcp_sockets_on(port: u16) -> io::Result<Vec<TcpSocket>> {
    let some = |states| -> io::Result<Vec<TcpSocket>> {
        let mut sockets = Vec::new();
        ask(libc::IPPROTO_TCP, port, states, |socket| {
            if sockets.len() < MAX_SOCKETS {
                sockets.push(socket);
            }
        })?;
        Ok(sockets)
    };
    match some(ALL_STATES) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => some(OLD_STATES),
        answer => answer,
    }
}

/// Every listening TCP socket of both families, in order and each once.
///
/// # Errors
/// When the kernel refuses the question, its answer makes no sense, or there are too many.
pub fn tcp_listeners() -> io::Result<Vec<OpenSocket>> {
    open(libc::IPPROTO_TCP, LISTEN)
}

/// Every UDP socket of both families that has no peer, in order and each once.
///
/// # Errors
/// As [`tcp_listeners`].
pub fn udp_receivers() -> io::Result<Vec<OpenSocket>> {
    open(libc::IPPROTO_UDP, UNCONNECTED)
}

/// How many handshakes have begun at local port `port`, in both families, and are not over.
///
/// # Errors
/// When the kernel refuses the question or its answer makes no sense.
pub fn handshakes_on(port: u16) -> io::Result<usize> {
    let mut count = 0;
    ask(libc::IPPROTO_TCP, port, HANDSHAKES, |socket| {
        count += usize::from(socket.state == TcpState::SynReceived);
    })?;
    Ok(count)
}

fn open(protocol: i32, states: u32) -> io::Result<Vec<OpenSocket>> {
    let mut sockets = Vec::new();
    let mut all = true;
    ask(protocol, 0, states, |it| {
        all = sockets.len() < MAX_LISTENERS;
        if all {
            let TcpSocket { local, device, only_v6, uid, inode, .. } = it;
            sockets.push(OpenSocket { local, device, only_v6, uid, inode });
        }
    })?;
    if !all {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "there are too many sockets"));
    }
    // The kernel walks its table in steps, and one that moves meanwhile may be met twice.
    sockets.sort_unstable();
    sockets.dedup();
    Ok(sockets)
}

/// `port` 0 asks for every port.
fn ask(protocol: i32, port: u16, states: u32, mut each: impl FnMut(TcpSocket)) -> io::Result<()> {
    for family in [libc::AF_INET, libc::AF_INET6] {
        dump(
            libc::NETLINK_SOCK_DIAG,
            SOCK_DIAG_BY_FAMILY,
            &body(family, protocol, port, states),
            |_, answer| {
                // Not every part of the kernel's walk looks at the port it was asked for.
                let socket = read(answer).filter(|it| port == 0 || it.local.port() == port);
                socket.into_iter().for_each(&mut each);
            },
        )?;
    }
    Ok(())
}

/// `struct inet_diag_req_v2`.
fn body(family: i32, protocol: i32, port: u16, states: u32) -> Vec<u8> {
    let byte = |number: i32| u8::try_from(number).expect("families and protocols are small");
    let mut body = vec![byte(family), byte(protocol), 0, 0];
    body.extend(states.to_ne_bytes());
    body.extend(port.to_be_bytes());
    // The peer's port, both addresses and the interface: any.
    body.extend([0; 2 + 16 + 16 + 4]);
    // The cookie INET_DIAG_NOCOOKIE: any socket.
    body.extend([0xff; 8]);
    body
}

/// `struct inet_diag_msg` and its attributes.
fn read(mut payload: &[u8]) -> Option<TcpSocket> {
    let bytes = &mut payload;
    let [family, state, _timer, _retransmits] = take(bytes)?;
    let local_port = u16::from_be_bytes(take(bytes)?);
    let peer_port = u16::from_be_bytes(take(bytes)?);
    let local = ip(family, take(bytes)?)?;
    let peer = ip(family, take(bytes)?)?;
    let device = u32::from_ne_bytes(take(bytes)?);
    let _cookie: [u8; 8] = take(bytes)?;
    let _expires_and_queues: [u8; 12] = take(bytes)?;
    let uid = u32::from_ne_bytes(take(bytes)?);
    let inode = u32::from_ne_bytes(take(bytes)?);
    let mut socket = TcpSocket {
        state: TcpState::of(state),
        v6: i32::from(family) == libc::AF_INET6,
        local: SocketAddr::new(local, local_port),
        peer: SocketAddr::new(peer, peer_port),
        device,
        uid,
        inode,
        only_v6: false,
        cgroup: None,
    };
    for (kind, value) in Attributes::of(payload) {
        match kind {
            INET_DIAG_SKV6ONLY => socket.only_v6 = value.first().is_some_and(|flag| *flag != 0),
            INET_DIAG_CGROUP_ID => socket.cgroup = value.try_into().ok().map(u64::from_ne_bytes),
            _ => {}
        }
    }
    Some(socket)
}

fn ip(family: u8, bytes: [u8; 16]) -> Option<IpAddr> {
    match i32::from(family) {
        libc::AF_INET => Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()),
        libc::AF_INET6 => Some(Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

impl TcpState {
    fn of(number: u8) -> Self {
        match number {
            1 => Self::Established,
            2 => Self::SynSent,
            3 | 12 => Self::SynReceived,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 | 13 => Self::Close,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            other => Self::Other(other),
        }
    }
}

impl std::fmt::Display for TcpState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynReceived => "SYN_RECV",
            Self::FinWait1 => "FIN_WAIT1",
            Self::FinWait2 => "FIN_WAIT2",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
            Self::Other(number) => return write!(f, "state {number}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream, UdpSocket},
        os::fd::AsFd,
    };

    use super::*;

    fn answer(family: i32, state: u8) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(family).unwrap(), state, 0, 0, 0x01, 0xbb, 0, 0];
        bytes.extend([10, 0, 0, 5].into_iter().chain([0; 12]));
        bytes.extend([0; 16]);
        bytes.extend(7u32.to_ne_bytes());
        bytes.extend([0; 20]);
        bytes.extend(33u32.to_ne_bytes());
        bytes.extend(4711u32.to_ne_bytes());
        bytes.extend([12, 0, 21, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 11, 0, 1, 0, 0, 0]);
        bytes
    }

    #[test]
    fn an_answer_reads_as_a_socket() {
        let socket = read(&answer(libc::AF_INET, 10)).unwrap();
        assert_eq!(socket.local, "10.0.0.5:443".parse().unwrap());
        assert_eq!((socket.state, socket.device), (TcpState::Listen, 7));
        assert_eq!((socket.uid, socket.inode), (33, 4711));
        assert_eq!((socket.cgroup.is_some(), socket.only_v6), (true, true));
    }

    #[test]
    fn a_cut_answer_is_no_socket_and_no_panic() {
        let bytes = answer(libc::AF_INET6, 1);
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]).is_some(), end >= 72, "{end}");
        }
        assert!(read(&answer(libc::AF_UNIX, 1)).is_none());
    }

    #[test]
    fn a_question_has_the_size_of_the_kernels_struct() {
        assert_eq!(body(libc::AF_INET, libc::IPPROTO_TCP, 443, LISTEN).len(), 56);
    }

    #[test]
    fn a_listener_and_its_connections_are_found_by_port() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let sockets = tcp_sockets_on(address.port()).unwrap();
        let inode = crate::sys::socket::inode(listener.as_fd()).unwrap();
        assert!(sockets.iter().any(|it| it.state == TcpState::Listen
            && it.local == address
            && u64::from(it.inode) == inode));
        assert!(sockets.iter().any(|it| it.state == TcpState::Established
            && Ok(it.peer) == client.local_addr().map_err(drop)));
        assert!(tcp_listeners().unwrap().iter().any(|it| it.local == address));
    }

    #[test]
    fn a_datagram_socket_is_open_until_it_has_a_peer() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let is_open = || udp_receivers().unwrap().iter().any(|it| it.local == address);
        assert!(is_open());
        socket.connect("127.0.0.1:9").unwrap();
        assert!(!is_open());
    }

    #[test]
    fn a_socket_that_is_bound_and_does_not_listen_is_found() {
        use socket2::{Domain, Socket, Type};
        let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
        socket.set_only_v6(true).unwrap();
        socket.bind(&"[::]:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let found = tcp_sockets_on(address.port()).unwrap();
        let mine = found.iter().find(|it| it.local == address).unwrap();
        assert_eq!((mine.state, mine.only_v6), (TcpState::Close, true));
    }
}
