//! A socket that is being retired serves what is still exposed, and turns away the rest.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr},
};

use super::{
    limited, policy,
    rig::{
        Rig, accept, address, address_of, backend, connect, connect_to, is_reset, is_unvisited,
        pass,
    },
    web,
};
use crate::{
    admit::Reason,
    policy::ListenerId,
    relay::outcome::Outcome,
    runtime::{Assignment, Role, Successor, sample::upstream},
    telemetry::Counter,
};

/// What a socket is for whose listener is still exposed where it was.
fn lingering(socket: &Assignment) -> Role {
    let web = ListenerId::new("web");
    let successors =
        vec![Successor { address: address_of(socket), device: None, listener: web.clone() }];
    Role::Linger { of: web, successors }
}

#[test]
fn a_lingering_socket_serves_only_what_is_still_exposed() {
    let backend = backend();
    let mut rig = Rig::start(1);
    let mut socket = rig.serve_at(Ipv4Addr::UNSPECIFIED, "web");
    let policy = web(&[&address(&backend)]);
    rig.commit(&policy, [&socket]);
    let port = address_of(&socket).port();
    let at = |last: u8| SocketAddr::from(([127, 0, 0, last], port));
    let successor =
        |last, device| Successor { address: at(last), device, listener: ListenerId::new("web") };
    // `lo` is interface 1 of every network namespace.
    let successors = vec![successor(1, None), successor(3, Some(1)), successor(4, Some(2))];
    socket.role = Role::Linger { of: ListenerId::new("web"), successors };
    rig.commit(&policy, [&socket]);
    pass("x", &mut connect_to(at(1)), &mut accept(&backend));
    assert!(is_reset(at(2)));
    pass("x", &mut connect_to(at(3)), &mut accept(&backend));
    assert!(is_reset(at(4)), "it came in by another interface");
    rig.commit(&policy, []);
    assert_eq!(rig.count(Counter::SocketsTaken), 1);
    let denied = |record: &&String| *record == "web denied_exposure 0 0";
    assert_eq!(rig.finish().iter().filter(denied).count(), 2);
}

/// One client is taken off the socket and kept; more wait in the kernel's queue.
#[test]
fn by_a_lingering_socket_as_by_any_other_clients_over_the_limit_wait_and_none_is_forgotten() {
    let backend = backend();
    let mut rig = Rig::start(2);
    let mut socket = rig.serve("web");
    let policy = policy(limited(1), upstream("db", &[&address(&backend)]));
    socket.role = lingering(&socket);
    rig.commit(&policy, [&socket]);
    let mut clients: Vec<_> = (0..6).map(|_| Some(connect(&socket))).collect();
    for (number, client) in (0u8..).zip(&clients) {
        client.as_ref().unwrap().write_all(&[number]).unwrap();
    }
    for _ in 0..6 {
        let mut session = accept(&backend);
        assert!(is_unvisited(&backend), "the limit holds");
        let mut number = [0];
        session.read_exact(&mut number).unwrap();
        clients[usize::from(number[0])] = None;
    }
    rig.wait_until_empty();
    let tallies = rig.registry.listeners[&ListenerId::new("web")].gate.tallies();
    assert_eq!(tallies.read(Counter::SessionsAdmitted), 6);
    assert!(tallies.read(Counter::ConnectionsReached) > 0);
    assert_eq!(rig.ended(Outcome::Denied(Reason::Full)), 0);
}

#[test]
fn a_client_that_waits_by_a_lingering_socket_is_turned_away_when_the_socket_goes() {
    let backend = backend();
    let mut rig = Rig::start(1);
    let mut socket = rig.serve("web");
    let policy = policy(limited(1), upstream("db", &[&address(&backend)]));
    socket.role = lingering(&socket);
    rig.commit(&policy, [&socket]);
    let (_first, mut second) = (connect(&socket), connect(&socket));
    let _session = accept(&backend);
    rig.commit(&policy, []);
    let end = second.read(&mut [0]).map_err(|error| error.kind());
    assert!(matches!(end, Err(ErrorKind::ConnectionReset)), "{end:?}");
    assert!(is_unvisited(&backend));
}
