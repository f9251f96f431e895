//! Which sockets are in each other's way: what the kernel does, pair by pair and option by option,
//! and what our own predicates say of it.

use socket2::Domain;

use super::{
    super::cause::overlaps,
    namespace::{in_namespace, run},
    *,
};
use crate::sys::netlink::{TcpState, tcp_sockets_on};

const PORT: u16 = 8080;

/// One kind of address that a socket can have.
#[derive(Debug, Clone, Copy)]
struct Kind {
    address: &'static str,
    /// Whether a socket of IPv6 takes IPv4 as well. No socket of ours does.
    dual: bool,
}

/// All of them: the wildcards, an address of each family and of loopback, and one of IPv4 that is
/// mapped into IPv6.
const KINDS: [Kind; 8] = [
    Kind { address: "0.0.0.0", dual: false },
    Kind { address: "::", dual: true },
    Kind { address: "::", dual: false },
    Kind { address: "10.9.0.5", dual: false },
    Kind { address: "::ffff:10.9.0.5", dual: true },
    Kind { address: "fd00:9::5", dual: false },
    Kind { address: "127.0.0.1", dual: false },
    Kind { address: "::1", dual: false },
];

/// The options that decide whether sockets share an address.
#[derive(Debug, Clone, Copy)]
struct Options {
    reuse_address: bool,
    reuse_port: bool,
}

const OPTIONS: [Options; 4] = [
    Options { reuse_address: false, reuse_port: false },
    Options { reuse_address: true, reuse_port: false },
    Options { reuse_address: false, reuse_port: true },
    Options { reuse_address: true, reuse_port: true },
];

impl Kind {
    fn address(self) -> SocketAddr {
        SocketAddr::new(self.address.parse().unwrap(), PORT)
    }

    fn bind(self, options: Options) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(self.address()), Type::STREAM, None)?;
        if self.address().is_ipv6() {
            socket.set_only_v6(!self.dual)?;
        }
        socket.set_reuse_address(options.reuse_address)?;
        socket.set_reuse_port(options.reuse_port)?;
        socket.bind(&self.address().into())?;
        Ok(socket)
    }

    fn listening(self, options: Options) -> Socket {
        let socket = self.bind(options).unwrap();
        socket.listen(1).unwrap();
        socket
    }

    /// Whether a socket of ours is in the way of this one, while only this one is there.
    fn is_in_the_way_of(self, ours: Self) -> bool {
        let sockets = tcp_sockets_on(PORT).unwrap();
        let [socket] = sockets.as_slice() else { panic!("{self:?}: {sockets:?}") };
        assert_eq!(socket.state, TcpState::Listen);
        overlaps(ours.address().ip(), 0, socket)
    }
}

/// Whether the kernel lets the second be bound while the first listens.
fn admitted(first: Kind, first_has: Options, second: Kind, second_has: Options) -> bool {
    match second.bind(second_has) {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => false,
        Err(error) => panic!("{first:?} {first_has:?}, {second:?} {second_has:?}: {error}"),
    }
}

/// Kernels 6.1 to 6.8 take some of these pairs for what they are not, and then this fails.
#[test]
fn what_is_said_to_be_in_the_way_is_what_the_kernel_finds_in_the_way() {
    in_namespace(
        "overlap::what_is_said_to_be_in_the_way_is_what_the_kernel_finds_in_the_way",
        &[],
        || {
            run("ip addr add 10.9.0.5/32 dev lo");
            run("ip addr add fd00:9::5/128 dev lo nodad");
            let (mut pairs, mut free) = (0, 0);
            for first in KINDS {
                for second in KINDS {
                    let mut in_the_way = None;
                    for first_has in OPTIONS {
                        let _first = first.listening(first_has);
                        let plain = admitted(first, first_has, second, OPTIONS[0]);
                        let overlap = *in_the_way.get_or_insert(!plain);
                        if !second.dual {
                            let said = first.is_in_the_way_of(second);
                            assert_eq!(said, overlap, "{first:?}, {second:?}");
                        }
                        for second_has in OPTIONS {
                            // Nothing but SO_REUSEPORT on both sides opens a door that is shut, and
                            // nothing shuts one that is open.
                            let shared = first_has.reuse_port && second_has.reuse_port;
                            let expected = !overlap || shared;
                            let found = admitted(first, first_has, second, second_has);
                            let pair = (first, first_has, second, second_has);
                            assert_eq!(found, expected, "{pair:?}");
                        }
                    }
                    if !first.dual && !second.dual {
                        let key = |kind: Kind| bind_at(kind.address()).key;
                        let said = key(first).overlaps(&key(second));
                        assert_eq!(Some(said), in_the_way, "{first:?}, {second:?}");
                    }
                    pairs += 1;
                    free += usize::from(in_the_way == Some(false));
                }
            }
            assert_eq!((pairs, free), (64, 30), "the other 34 meet");
        },
    );
}
