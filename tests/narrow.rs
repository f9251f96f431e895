//! Narrowing and widening: the exposure changes at once, and no client that may come notices.

use std::{
    collections::BTreeSet,
    io,
    net::{SocketAddr, TcpListener},
    thread,
};

use socket2::{Domain, Socket, Type};

use crate::support::{
    Answering, Program, ServiceFile,
    client::{ask, ask_over, connect, try_ask},
    eventually, exposed_as,
    http::get,
    load::under_load,
    namespace::{in_namespace, veth},
    sockets,
};

const WIDE: &str = "any: { families: [v4, v6] }";
const NARROW: &str =
    "v4: { private: { address: 10.9.0.5 } }, v6: { private: { address: \"fd00:9::5\" } }";
const ALLOW: &str = "allow: { reason: the test asks for it }";

/// The addresses that are served in either case, and those that only the wide form serves.
const INSIDE: &str = "10.9.0.5:8080";
const INSIDE6: &str = "[fd00:9::5]:8080";
const OUTSIDE: &str = "10.9.0.6:8080";
const OUTSIDE6: &str = "[fd00:9::6]:8080";

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

/// The backend is on a path: so it takes none of the ports that the clients need.
fn file(expose: &str, backend: &str) -> String {
    let allow = if expose == WIDE { ALLOW } else { "purpose: nothing to allow" };
    exposed_as(expose, allow, &format!("forward: {{ unix: {backend} }}"))
}

/// A program over a backend, in a network with both addresses.
struct Rig {
    program: Program,
    _backend: Answering,
    path: String,
}

impl Rig {
    fn new(expose: &str) -> Self {
        veth(&["10.9.0.5/24", "10.9.0.6/24", "fd00:9::5/64", "fd00:9::6/64"]);
        let service = ServiceFile::new("");
        let path = service.beside("backend.sock");
        let backend = Answering::unix("b", &path);
        let path = path.to_str().unwrap().to_owned();
        service.replace(&file(expose, &path));
        Self { program: Program::serving_file(service), _backend: backend, path }
    }

    fn expose(&mut self, expose: &str) {
        self.program.reload(&file(expose, &self.path));
    }

    /// Waits until nothing listens but this.
    fn settled(&self, addresses: &[&str]) {
        let wanted: BTreeSet<_> = addresses.iter().map(|address| at(address)).collect();
        eventually("the old sockets are gone", || {
            sockets::listening(self.program.pid()).into_values().collect::<BTreeSet<_>>() == wanted
        });
    }
}

/// Connects and asks, and must not be served.
fn is_not_served(to: SocketAddr) {
    let error = try_ask(to, "?").expect_err("an address that is exposed no more was served");
    let kinds = [
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::BrokenPipe,
        io::ErrorKind::UnexpectedEof,
    ];
    assert!(kinds.contains(&error.kind()), "{error}");
}

#[test]
fn narrowing_stops_serving_other_addresses_at_once() {
    in_namespace("narrow::narrowing_stops_serving_other_addresses_at_once", || {
        let mut rig = Rig::new(WIDE);
        let session = connect(at(OUTSIDE));
        ask_over(&session, "?");
        rig.expose(NARROW);
        for _ in 0..20 {
            is_not_served(at(OUTSIDE));
            is_not_served(at(OUTSIDE6));
            assert_eq!(ask(at(INSIDE), "?"), "b: ?");
            assert_eq!(ask(at(INSIDE6), "?"), "b: ?");
        }
        assert_eq!(ask_over(&session, "still"), "b: still", "a session that began is let finish");
        rig.settled(&[INSIDE, INSIDE6]);
        is_not_served(at(OUTSIDE));
        assert_eq!(ask(at(INSIDE), "?"), "b: ?");
    });
}

#[test]
fn widening_serves_every_address_at_once_and_keeps_serving_the_old_one() {
    in_namespace(
        "narrow::widening_serves_every_address_at_once_and_keeps_serving_the_old_one",
        || {
            let mut rig = Rig::new(NARROW);
            is_not_served(at(OUTSIDE));
            rig.expose(WIDE);
            for address in [OUTSIDE, OUTSIDE6, INSIDE, INSIDE6, "127.0.0.1:8080", "[::1]:8080"] {
                assert_eq!(ask(at(address), "?"), "b: ?", "{address}");
            }
            rig.expose(NARROW);
            assert_eq!(ask(at(INSIDE), "?"), "b: ?");
            is_not_served(at(OUTSIDE));
            rig.settled(&[INSIDE, INSIDE6]);
        },
    );
}

#[test]
fn by_the_socket_that_a_widening_keeps_clients_over_the_limit_wait_as_by_any_other() {
    in_namespace(
        "narrow::by_the_socket_that_a_widening_keeps_clients_over_the_limit_wait_as_by_any_other",
        || {
            let status = "  status:\n    expose: { loopback: { families: [v4] } }\n    port: 9091\n    serve: status\n";
            let mut rig = Rig::new(NARROW);
            let limited = file(WIDE, &rig.path).replace("connections: 10000", "connections: 1");
            rig.program.reload(&(limited + status));
            let (_, page) = get(at("127.0.0.1:9091"), "/");
            assert!(page.contains("<br>10.9.0.5:8080, still open<"), "{page}");
            let first = connect(at(INSIDE));
            assert_eq!(ask_over(&first, "?"), "b: ?");
            let waiting = [connect(at(INSIDE)), connect(at(INSIDE)), connect(at(OUTSIDE))];
            assert_eq!(ask_over(&first, "still"), "b: still");
            drop(first);
            // Each leaves before the next is asked, and which is next is not theirs to say.
            thread::scope(|scope| {
                for client in waiting {
                    scope.spawn(move || assert_eq!(ask_over(&client, "?"), "b: ?"));
                }
            });
        },
    );
}

#[test]
fn moving_to_another_address_moves_the_exposure() {
    in_namespace("narrow::moving_to_another_address_moves_the_exposure", || {
        let mut rig = Rig::new(NARROW);
        for (expose, served, other) in
            [("private: { address: 10.9.0.6 }", OUTSIDE, INSIDE), (NARROW, INSIDE, OUTSIDE)]
        {
            rig.expose(expose);
            assert_eq!(ask(at(served), "?"), "b: ?");
            is_not_served(at(other));
        }
    });
}

#[test]
fn a_narrowing_that_is_refused_leaves_everything_and_the_door_shut() {
    in_namespace("narrow::a_narrowing_that_is_refused_leaves_everything_and_the_door_shut", || {
        let mut rig = Rig::new(WIDE);
        let before = sockets::listening(rig.program.pid());
        let _holder = TcpListener::bind("127.0.0.1:9090").unwrap();
        let more = "  more:\n    expose: { loopback: { families: [v4] } }\n    port: 9090\n    serve: status\n";
        let line = rig.program.refuse(&(file(NARROW, &rig.path) + more));
        assert_eq!(line, "REJECTED generation=1 findings=1");
        assert_eq!(sockets::listening(rig.program.pid()), before);
        for address in [INSIDE, INSIDE6, OUTSIDE, OUTSIDE6] {
            assert_eq!(ask(at(address), "?"), "b: ?", "{address}");
        }
        // SO_REUSEPORT was on for a moment; who asks to share the port now is turned away.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_port(true).unwrap();
        let error = socket.bind(&at("0.0.0.0:8080").into()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    });
}

#[test]
fn one_of_several_ports_in_use_takes_the_whole_change_back_and_leaves_nothing_behind() {
    let test =
        "narrow::one_of_several_ports_in_use_takes_the_whole_change_back_and_leaves_nothing_behind";
    in_namespace(test, || {
        let mut rig = Rig::new(WIDE);
        let before = sockets::listening(rig.program.pid());
        let holder = TcpListener::bind("127.0.0.1:9091").unwrap();
        // The change narrows, has the rest fan out, and wants three more ports.
        let more = "  more:\n    expose: { loopback: { families: [v4] } }\n    ports: [9090, 9091, 9092]\n    fanout: 2\n    serve: status\n";
        let wanted = file(NARROW, &rig.path) + "    fanout: 2\n" + more;
        assert_eq!(rig.program.refuse(&wanted), "REJECTED generation=1 findings=1");
        rig.program.said("cannot bind 127.0.0.1:9091 on lo for listener `more`");
        assert_eq!(sockets::listening(rig.program.pid()), before);
        for socket in rig.program.status()["sockets"].as_array().unwrap() {
            assert_eq!(socket["found"]["reuse_port"], false, "{socket}");
        }
        for port in [9090, 9092] {
            // Without any option, so it would find whatever is left there.
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
        }
        drop(holder);
        rig.program.signal("HUP");
        assert_eq!(rig.program.next("RELOADED"), "RELOADED generation=2");
        is_not_served(at(OUTSIDE));
        assert_eq!(ask(at(INSIDE), "?"), "b: ?");
    });
}

#[test]
fn forty_narrowings_and_widenings_under_load_lose_no_client() {
    const RELOADS: usize = 40;
    in_namespace("narrow::forty_narrowings_and_widenings_under_load_lose_no_client", || {
        let mut rig = Rig::new(WIDE);
        let counted = under_load(&[at(INSIDE), at(INSIDE6)], |load| {
            for number in 0..RELOADS {
                rig.expose(if number % 2 == 0 { NARROW } else { WIDE });
                // Some reloads come while sockets of the one before are still there, some after
                // they are gone.
                if number % 10 == 8 {
                    rig.settled(&[INSIDE, INSIDE6]);
                }
                load.comes_through();
            }
        });
        tell(&format!("{counted} connections over {RELOADS} reloads, none refused, none reset"));
    });
}

#[expect(clippy::print_stdout, reason = "how many connections came through is worth knowing")]
fn tell(what: &str) {
    println!("counted: {what}");
}
