//! The recipe of a TCP listener's socket, and reading back that it was followed.

use std::{io, net::SocketAddr, num::NonZeroU16, os::fd::AsFd};

use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    Neighbour,
    cause::{Cause, InUse},
    error::{BindError, Failure, Step},
    evidence,
};
use crate::{plan::Bind, sys::socket};

/// Sockets that share one address.
#[derive(Debug)]
pub(super) struct Group {
    /// Where: with the port that the kernel chose, if it was to choose.
    pub(super) address: SocketAddr,
    /// Bound; not empty.
    bound: Vec<Socket>,
    /// Made, and to be bound once the first listens alone.
    joining: Vec<Socket>,
    /// Whether the members have SO_REUSEPORT in the end.
    reuse_port: bool,
}

/// Binds the first socket of a group and makes the others.
pub(super) fn open(
    bind: &Bind,
    address: SocketAddr,
    neighbour: Neighbour,
) -> Result<Group, BindError> {
    let overlap = neighbour == Neighbour::Own;
    let first = create(bind, address, overlap).map_err(|failure| failure.of(bind))?;
    bind_to(&first, bind, address)?;
    let address = local(&first).map_err(|failure| failure.of(bind))?;
    let joining = (1..bind.sockets.get())
        .map(|_| create(bind, address, true))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|failure| failure.of(bind))?;
    let reuse_port = overlap || !joining.is_empty();
    Ok(Group { address, bound: vec![first], joining, reuse_port })
}

/// Binds `count` more sockets beside a live one.
pub(super) fn join(live: &Socket, bind: &Bind, count: NonZeroU16) -> Result<Group, BindError> {
    let option = || Step::option("SO_REUSEPORT");
    let address = local(live).map_err(|failure| failure.of(bind))?;
    let had = live.reuse_port().map_err(BindError::at(option(), bind))?;
    live.set_reuse_port(true).map_err(BindError::at(option(), bind))?;
    let bound: Result<Vec<_>, _> = (0..count.get())
        .map(|_| {
            let socket = create(bind, address, true).map_err(|failure| failure.of(bind))?;
            bind_to(&socket, bind, address)?;
            Ok(socket)
        })
        .collect();
    match bound {
        Ok(bound) => Ok(Group { address, bound, joining: Vec::new(), reuse_port: true }),
        Err(error) => {
            // The option could be set a moment ago; if it cannot be cleared, the error at hand
            // matters more.
            drop(live.set_reuse_port(had));
            Err(error)
        }
    }
}

impl Group {
    /// Makes all members listen; see the module `bind` for the order.
    pub(super) fn listen(self, bind: &Bind) -> Result<Vec<(Socket, SocketAddr)>, BindError> {
        let Self { address, mut bound, joining, reuse_port } = self;
        for socket in &bound {
            listen(socket, bind, address)?;
        }
        if !joining.is_empty() {
            for first in &bound {
                first
                    .set_reuse_port(true)
                    .map_err(BindError::at(Step::option("SO_REUSEPORT"), bind))?;
            }
            for socket in &joining {
                bind_to(socket, bind, address)?;
                listen(socket, bind, address)?;
            }
        }
        bound.extend(joining);
        bound
            .into_iter()
            .map(|socket| {
                let as_wanted = socket.reuse_port().map(|found| found == reuse_port);
                read_back("SO_REUSEPORT", as_wanted)
                    .and_then(|()| read_back("SO_ACCEPTCONN", socket.is_listener()))
                    .map_err(|failure| failure.of(bind))?;
                Ok((socket, address))
            })
            .collect()
    }
}

/// A socket with every option set and no address.
fn create(bind: &Bind, address: SocketAddr, reuse_port: bool) -> Result<Socket, Failure> {
    // Close-on-exec is `socket2`'s default.
    let kind = Type::STREAM.nonblocking();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))
        .map_err(Failure::at(Step::Create))?;
    let option = |name, result: io::Result<()>| result.map_err(Failure::at(Step::option(name)));
    // Without it, connections that outlive a listener keep its address from being bound again.
    option("SO_REUSEADDR", socket.set_reuse_address(true))?;
    if reuse_port {
        option("SO_REUSEPORT", socket.set_reuse_port(true))?;
    }
    if address.is_ipv6() {
        // Or `[::]` would serve IPv4 as well, under another address than the file says.
        option("IPV6_V6ONLY", socket.set_only_v6(true))?;
    }
    if let Some(device) = &bind.key.device {
        option("SO_BINDTODEVICE", socket.bind_device(Some(device.as_bytes())))?;
    }
    set_inherited(&socket, address)?;
    Ok(socket)
}

/// Sets what a socket that somebody else has made may lack, and can have while it listens.
pub(super) fn complete(socket: &Socket, address: SocketAddr) -> Result<(), Failure> {
    let option = |name, result: io::Result<()>| result.map_err(Failure::at(Step::option(name)));
    option("O_NONBLOCK", socket.set_nonblocking(true))?;
    option("SO_REUSEADDR", socket.set_reuse_address(true))?;
    set_inherited(socket, address)
}

/// Sets what accepted connections inherit.
fn set_inherited(socket: &Socket, address: SocketAddr) -> Result<(), Failure> {
    let option = |name, result: io::Result<()>| result.map_err(Failure::at(Step::option(name)));
    option("TCP_NODELAY", socket.set_tcp_nodelay(true))?;
    option(ingress_option(address), socket::remember_ingress(socket.as_fd()))
}

/// Binds, and makes sure of what was asked for while nobody can connect.
fn bind_to(socket: &Socket, bind: &Bind, address: SocketAddr) -> Result<(), BindError> {
    let attempt = || socket.bind(&address.into()).map_err(Failure::at(Step::Bind));
    retried(attempt, bind, address)?;
    verify(socket, bind, address).map_err(|failure| failure.of(bind))
}

fn listen(socket: &Socket, bind: &Bind, address: SocketAddr) -> Result<(), BindError> {
    // The kernel clamps it to `net.core.somaxconn` anyway.
    let backlog = i32::try_from(bind.backlog).unwrap_or(i32::MAX);
    let attempt = || socket.listen(backlog).map_err(Failure::at(Step::Listen));
    retried(attempt, bind, address)
}

/// A socket that is just being closed may still be in the way and yet be found nowhere. Looking for
/// it takes some milliseconds, which is all the waiting that it needs.
fn retried(
    attempt: impl Fn() -> Result<(), Failure>,
    bind: &Bind,
    address: SocketAddr,
) -> Result<(), BindError> {
    let Err(failure) = attempt() else { return Ok(()) };
    let cause = evidence::explain(&failure, bind, Some(address));
    if !matches!(cause, Cause::InUse(InUse::NothingFound { .. })) {
        return Err(failure.because(bind, cause));
    }
    attempt().map_err(|failure| {
        let cause = evidence::explain(&failure, bind, Some(address));
        failure.because(bind, cause)
    })
}

fn local(socket: &Socket) -> Result<SocketAddr, Failure> {
    let address = socket.local_addr().map_err(Failure::at(Step::Bind))?;
    let source = Errno::EAFNOSUPPORT.into();
    address.as_socket().ok_or(Failure { step: Step::Bind, source })
}

/// Asks the kernel what the bound socket is like. Whoever stands between (seccomp, LD_PRELOAD,
/// another kernel's emulation) may have agreed to an option without setting it.
pub(super) fn verify(socket: &Socket, bind: &Bind, address: SocketAddr) -> Result<(), Failure> {
    read_back("O_NONBLOCK", socket.nonblocking())?;
    read_back("SO_REUSEADDR", socket.reuse_address())?;
    if address.is_ipv6() {
        read_back("IPV6_V6ONLY", socket.only_v6())?;
    }
    if let Some(device) = &bind.key.device {
        let same = |found: Option<Vec<u8>>| found.as_deref() == Some(device.as_bytes());
        read_back("SO_BINDTODEVICE", socket.device().map(same))?;
    }
    read_back("TCP_NODELAY", socket.tcp_nodelay())?;
    read_back(ingress_option(address), socket::remembers_ingress(socket.as_fd()))?;
    let mut found = local(socket)?;
    if address.port() == 0 {
        found.set_port(0);
    }
    if found != address {
        return Err(Failure { step: Step::Bind, source: otherwise() });
    }
    Ok(())
}

/// The option behind [`socket::remember_ingress`].
fn ingress_option(address: SocketAddr) -> &'static str {
    if address.is_ipv4() { "IP_PKTINFO" } else { "IPV6_RECVPKTINFO" }
}

fn read_back(name: &'static str, as_wanted: io::Result<bool>) -> Result<(), Failure> {
    let source = match as_wanted {
        Ok(true) => return Ok(()),
        Ok(false) => otherwise(),
        Err(source) => source,
    };
    Err(Failure { step: Step::option(name), source })
}

fn otherwise() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the kernel reports something else than was asked for",
    )
}

#[cfg(test)]
mod tests {
    use super::{super::tests::bind_at, *};

    /// What is found wrong with a socket that lacks what `lacking` undoes. On a specific address
    /// the kernel sets IPV6_V6ONLY by itself.
    fn wrong_without(lacking: impl Fn(&Socket) -> io::Result<()>) -> Option<Step> {
        let (bind, address) = (bind_at("[::]:0"), "[::]:0".parse().unwrap());
        let socket = create(&bind, address, false).unwrap();
        lacking(&socket).unwrap();
        socket.bind(&address.into()).unwrap();
        verify(&socket, &bind, address).err().map(|failure| failure.step)
    }

    #[test]
    fn a_socket_that_is_not_as_it_was_asked_for_is_found_out() {
        let option = |name| Some(Step::option(name));
        assert_eq!(wrong_without(|_| Ok(())), None);
        let table = [
            ("O_NONBLOCK", wrong_without(|socket| socket.set_nonblocking(false))),
            ("SO_REUSEADDR", wrong_without(|socket| socket.set_reuse_address(false))),
            ("IPV6_V6ONLY", wrong_without(|socket| socket.set_only_v6(false))),
            ("TCP_NODELAY", wrong_without(|socket| socket.set_tcp_nodelay(false))),
        ];
        for (name, found) in table {
            assert_eq!(found, option(name));
        }
    }

    #[test]
    fn a_socket_that_is_bound_elsewhere_is_found_out() {
        let bind = bind_at("127.0.0.1:0");
        let asked = "127.0.0.1:0".parse().unwrap();
        let socket = create(&bind, asked, false).unwrap();
        socket.bind(&"127.0.0.2:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        assert_eq!(verify(&socket, &bind, asked).unwrap_err().step, Step::Bind);
    }
}
