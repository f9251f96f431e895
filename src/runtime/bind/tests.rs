//! Sockets really opened, and every cause really produced.

mod namespace;
mod overlap;
mod path;

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, IoSlice, Lines, Read, Write, stdin, stdout},
    net::{SocketAddr, TcpListener, TcpStream},
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::UnixStream,
    },
    process::{Child, ChildStdout, Command, Stdio},
};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use socket2::{SockRef, Type};

use super::*;
use crate::{policy::ListenerId, sys};

/// Tells a copy of this test program to listen there until its input ends.
const HOLD: &str = "PORTCULLIS_TEST_HOLD";

fn bind_of(address: BindAddress) -> Bind {
    let listener = ListenerId::new("web");
    Bind {
        key: BindKey { address, device: None, unnumbered: Some(listener.clone()) },
        listener,
        sockets: NonZeroU16::MIN,
        backlog: 64,
        link: None,
        unix: None,
        inherited: None,
    }
}

pub(super) fn bind_at(address: impl ToString) -> Bind {
    bind_of(BindAddress::Tcp(address.to_string().parse().unwrap()))
}

fn group(address: impl ToString, sockets: u16) -> Bind {
    Bind { sockets: NonZeroU16::new(sockets).unwrap(), ..bind_at(address) }
}

fn listening(bind: &Bind) -> Vec<BoundSocket> {
    open(bind, Neighbour::None).unwrap().listen().unwrap()
}

fn one(bind: &Bind) -> BoundSocket {
    listening(bind).pop().unwrap()
}

fn address(socket: &BoundSocket) -> SocketAddr {
    let BindAddress::Tcp(address) = socket.address() else { panic!("{socket:?}") };
    *address
}

fn refused(bind: &Bind) -> BindError {
    let error = open(bind, Neighbour::None).and_then(Bound::listen).unwrap_err();
    assert!(!error.help().is_empty(), "{error:?}");
    error
}

/// A listener that lacks SO_REUSEADDR, as a program from elsewhere may.
fn careless() -> (Socket, SocketAddr) {
    let socket = Socket::new(socket2::Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(8).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// A process that holds a port.
struct Elsewhere {
    child: Child,
    /// Kept open, so that the test program there can write its own lines.
    _output: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
}

impl Elsewhere {
    fn hold(address: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "runtime::bind::tests::holds_a_port_when_told_to", "--nocapture"])
            .env(HOLD, address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let held = output.by_ref().map(Result::unwrap).find_map(|line| {
            line.split_once("HOLDING ").map(|(_, address)| address.parse().unwrap())
        });
        Self { child, _output: output, address: held.unwrap() }
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

#[test]
fn holds_a_port_when_told_to() {
    let Ok(address) = std::env::var(HOLD) else { return };
    let listener = TcpListener::bind(address).unwrap();
    let line = format!("\nHOLDING {}\n", listener.local_addr().unwrap());
    stdout().write_all(line.as_bytes()).unwrap();
    stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn a_bound_socket_takes_no_traffic_until_it_listens() {
    let bound = open(&bind_at("127.0.0.1:0"), Neighbour::None).unwrap();
    let Sockets::Tcp(group) = &bound.sockets else { panic!("{bound:?}") };
    let address = group.address;
    assert!(TcpStream::connect(address).is_err());
    let sockets = bound.listen().unwrap();
    TcpStream::connect(address).unwrap();
    assert_eq!(sys::socket::accept_queue(sockets[0].as_fd()).unwrap(), 1);
}

#[test]
fn port_zero_becomes_a_port_and_connections_know_their_ingress() {
    for any in ["127.0.0.1:0", "0.0.0.0:0"] {
        let socket = one(&bind_at(any));
        let port = address(&socket).port();
        assert_ne!(port, 0);
        let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (connection, _) = sys::socket::accept(socket.as_fd()).unwrap();
        assert_eq!(sys::socket::ingress_index(connection.as_fd()).unwrap(), Some(1));
        assert!(SockRef::from(&connection).tcp_nodelay().unwrap());
    }
}

#[test]
fn a_socket_tied_to_loopback_says_so() {
    let mut bind = bind_at("127.0.0.1:0");
    bind.key.device = Some("lo".into());
    let socket = one(&bind);
    assert_eq!(SockRef::from(&socket).device().unwrap().as_deref(), Some(b"lo".as_slice()));
    TcpStream::connect(address(&socket)).unwrap();
}

#[test]
fn a_restart_over_its_own_old_connections_works() {
    let socket = one(&bind_at("127.0.0.1:0"));
    let at = address(&socket);
    let _client = TcpStream::connect(at).unwrap();
    let _connection = sys::socket::accept(socket.as_fd()).unwrap();
    drop(socket);
    one(&bind_at(at));
}

#[test]
fn a_group_shares_its_address_and_its_connections() {
    let sockets = listening(&group("127.0.0.1:0", 4));
    let at = address(&sockets[0]);
    assert!(sockets.iter().all(|socket| address(socket) == at));
    let inode = |socket: &BoundSocket| sys::socket::inode(socket.as_fd()).unwrap();
    assert_eq!(sockets.iter().map(inode).collect::<BTreeSet<_>>().len(), 4);
    let clients: Vec<_> = (0..60).map(|_| TcpStream::connect(at).unwrap()).collect();
    let queues: Vec<_> =
        sockets.iter().map(|it| sys::socket::accept_queue(it.as_fd()).unwrap()).collect();
    assert_eq!(queues.iter().sum::<u32>(), 60, "{clients:?}");
    assert!(queues.iter().all(|queue| *queue > 0), "{queues:?}");
}

#[test]
fn a_second_copy_cannot_join_a_group() {
    let sockets = listening(&group("127.0.0.1:0", 2));
    let error = refused(&group(address(&sockets[0]), 2));
    assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
}

#[test]
fn siblings_join_a_live_socket() {
    let live = one(&bind_at("127.0.0.1:0"));
    let bind = bind_at("127.0.0.1:0");
    let bound = open_siblings(&live, &bind, NonZeroU16::new(3).unwrap()).unwrap();
    let mut sockets = bound.listen().unwrap();
    sockets.push(live);
    let at = address(&sockets[0]);
    let _clients: Vec<_> = (0..60).map(|_| TcpStream::connect(at).unwrap()).collect();
    for socket in &sockets {
        assert_eq!(address(socket), at);
        assert!(sys::socket::accept_queue(socket.as_fd()).unwrap() > 0);
    }
}

#[test]
fn siblings_that_cannot_join_leave_the_live_socket_as_it_was() {
    let live = one(&bind_at("127.0.0.1:0"));
    let mut bind = bind_at("127.0.0.1:0");
    bind.key.device = Some("nope0".into());
    let error = open_siblings(&live, &bind, NonZeroU16::MIN).unwrap_err();
    assert_eq!(error.step, Step::option("SO_BINDTODEVICE"));
    assert!(!SockRef::from(&live).reuse_port().unwrap());
}

#[test]
fn a_reload_may_narrow_a_live_socket_and_still_nobody_else_may() {
    let wide = one(&bind_at("0.0.0.0:0"));
    let narrow = bind_at(SocketAddr::from(([127, 0, 0, 1], address(&wide).port())));
    refused(&narrow);
    wide.set_reuse_port(true).unwrap();
    let narrowed = open(&narrow, Neighbour::Own).unwrap().listen().unwrap().pop().unwrap();
    let _client = TcpStream::connect(address(&narrowed)).unwrap();
    assert_eq!(sys::socket::accept_queue(narrowed.as_fd()).unwrap(), 1);
    refused(&narrow);
}

#[test]
fn an_own_listener_is_named_as_such() {
    let socket = one(&bind_at("0.0.0.0:0"));
    let at = address(&socket);
    let narrow = SocketAddr::from(([127, 0, 0, 1], at.port()));
    let error = refused(&bind_at(narrow));
    assert_eq!(error.to_string(), format!("cannot bind {narrow} for listener `web`"));
    assert_eq!(*error.cause, Cause::InUse(InUse::Own { local: at, other_user: None }));
    assert_eq!(
        error.why(),
        [format!("this process has a socket on {at} itself"), format!("{at} covers {narrow}"),]
    );
}

#[test]
fn whoever_comes_between_bind_and_listen_is_named() {
    let first = open(&bind_at("127.0.0.1:0"), Neighbour::None).unwrap();
    let Sockets::Tcp(found) = &first.sockets else { panic!("{first:?}") };
    let at = found.address;
    let second = open(&bind_at(at), Neighbour::None).unwrap().listen().unwrap();
    let error = first.listen().unwrap_err();
    assert_eq!(error.step, Step::Listen);
    assert_eq!(
        *error.cause,
        Cause::InUse(InUse::Own { local: address(&second[0]), other_user: None })
    );
}

#[test]
fn a_process_that_holds_the_port_is_named() {
    let holder = Elsewhere::hold("127.0.0.1:0");
    let error = refused(&bind_at(holder.address));
    let Cause::InUse(InUse::Held { local, listens: true, owner }) = &*error.cause else {
        panic!("{error:?}")
    };
    assert_eq!(*local, holder.address);
    assert_eq!(owner.processes[0].pid, holder.child.id());
    let line = &error.why()[0];
    assert!(line.contains(&format!("(pid {}", holder.child.id())), "{line}");
    let user = sys::process::user_name(sys::process::effective_user()).unwrap();
    assert!(line.contains(&format!("user {user}")), "{line}");
}

#[test]
fn a_specific_holder_of_a_wanted_wildcard_is_named() {
    let holder = Elsewhere::hold("127.0.0.1:0");
    let any = SocketAddr::from(([0, 0, 0, 0], holder.address.port()));
    let error = refused(&bind_at(any));
    assert_eq!(error.why()[1], format!("{any} covers {}", holder.address));
}

#[test]
fn a_dual_stack_holder_is_in_the_way_of_ipv4() {
    let holder = Elsewhere::hold("[::]:0");
    let error = refused(&bind_at(SocketAddr::from(([127, 0, 0, 1], holder.address.port()))));
    assert!(matches!(*error.cause, Cause::InUse(InUse::Held { .. })), "{error:?}");
}

#[test]
fn old_connections_of_a_careless_listener_are_counted() {
    let (listener, at) = careless();
    let _one = TcpStream::connect(at).unwrap();
    let _two = TcpStream::connect(at).unwrap();
    let _accepted = (listener.accept().unwrap(), listener.accept().unwrap());
    drop(listener);
    let error = refused(&bind_at(at));
    assert!(matches!(*error.cause, Cause::InUse(InUse::Leftovers { .. })), "{error:?}");
    let expected = "nothing listens, but old connections are there: 2 ESTABLISHED";
    assert_eq!(error.why()[0], expected);
}

#[test]
fn a_connection_in_time_wait_is_told_apart() {
    let (listener, at) = careless();
    let mut client = TcpStream::connect(at).unwrap();
    let (accepted, _) = listener.accept().unwrap();
    drop(listener);
    drop(accepted);
    // The end of the stream is the proof that the server closed first.
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop(client);
    let error = refused(&bind_at(at));
    assert_eq!(*error.cause, Cause::InUse(InUse::TimeWait { connections: 1 }));
}

#[test]
fn an_outgoing_connection_on_the_port_is_told_apart() {
    let server = one(&bind_at("127.0.0.1:0"));
    let client = TcpStream::connect(address(&server)).unwrap();
    let at = client.local_addr().unwrap();
    let error = refused(&bind_at(at));
    let Cause::InUse(InUse::Outgoing { local, peer, .. }) = &*error.cause else {
        panic!("{error:?}")
    };
    assert_eq!((*local, *peer), (at, address(&server)));
    assert!(error.help()[0].contains(&format!("add {} to `sysctl", at.port())));
}

#[test]
fn a_listener_in_transit_between_processes_is_told_apart() {
    let (listener, at) = careless();
    let (sender, _receiver) = UnixStream::pair().unwrap();
    let fds = [listener.as_raw_fd()];
    let message = [ControlMessage::ScmRights(&fds)];
    sendmsg::<()>(sender.as_raw_fd(), &[IoSlice::new(b"x")], &message, MsgFlags::empty(), None)
        .unwrap();
    drop(listener);
    let error = refused(&bind_at(at));
    match &*error.cause {
        Cause::InUse(InUse::Orphaned { local, .. }) => assert_eq!(*local, at),
        // Who cannot look into every process cannot know that none has it.
        Cause::InUse(InUse::Held { owner, .. }) => {
            assert!(owner.processes.is_empty() && owner.unreadable > 0)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_interface_that_is_not_there_is_told_with_those_that_are() {
    let mut bind = bind_at("127.0.0.1:0");
    bind.key.device = Some("nope0".into());
    let error = refused(&bind);
    assert_eq!(
        error.to_string(),
        "cannot set SO_BINDTODEVICE of 127.0.0.1:0 on nope0 for listener `web`"
    );
    let Cause::NoDevice { interfaces } = &*error.cause else { panic!("{error:?}") };
    assert!(interfaces.iter().any(|name| name == "lo"));
}
