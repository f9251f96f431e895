//! Which backend a session reaches, and what becomes of it where none can be reached.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    num::NonZeroU32,
    time::Duration,
};

use socket2::{Domain, SockRef, Socket, Type};

use super::{
    nothing, policy,
    rig::{
        PATIENCE, Rig, accept, address, address_of, backend, closed, connect, is_unvisited, pass,
        rest,
    },
    web,
};
use crate::{
    policy::BackendAddress,
    relay::outcome::Outcome,
    runtime::sample::{listener, upstream},
    telemetry::Counter,
};

#[test]
fn backends_take_turns() {
    let (one, two) = (backend(), backend());
    let (_rig, socket) = Rig::serving(1, &web(&[&address(&one), &address(&two)]));
    for expected in [&one, &two, &one, &two] {
        let mut client = connect(&socket);
        pass("x", &mut client, &mut accept(expected));
    }
    assert!(is_unvisited(&one) && is_unvisited(&two));
}

#[test]
fn a_backend_that_refuses_costs_a_retry_and_not_the_client() {
    let good = backend();
    let (rig, socket) = Rig::serving(1, &web(&[&closed(), &closed(), &address(&good)]));
    pass("x", &mut connect(&socket), &mut accept(&good));
    assert_eq!(rig.count(Counter::ConnectsRefused), 2);
}

#[test]
fn retries_are_bounded_and_the_last_failure_is_the_outcome() {
    let mut upstream = upstream("db", &[&closed(), &closed(), &closed()]);
    upstream.retries = 1;
    let (rig, socket) = Rig::serving(1, &policy(listener("web"), upstream));
    assert_eq!(rest(&mut connect(&socket)), "");
    rig.wait_until_empty();
    assert_eq!(rig.count(Counter::ConnectsRefused), 2);
    assert_eq!(rig.finish(), ["web connect_refused 0 0"]);
}

#[test]
fn a_backup_serves_only_when_no_primary_can() {
    let (primary, backup) = (backend(), backend());
    let mut upstream = upstream("db", &[&address(&primary), &address(&backup)]);
    upstream.backends[1].backup = true;
    let (_rig, socket) = Rig::serving(1, &policy(listener("web"), upstream));
    for _ in 0..3 {
        pass("x", &mut connect(&socket), &mut accept(&primary));
    }
    assert!(is_unvisited(&backup));
    drop(primary);
    pass("x", &mut connect(&socket), &mut accept(&backup));
}

#[test]
fn a_backend_at_its_limit_is_left_alone_and_with_none_left_the_client_is_closed() {
    let backend = backend();
    let mut upstream = upstream("db", &[&address(&backend)]);
    upstream.backends[0].max_connections = NonZeroU32::new(1);
    let (rig, socket) = Rig::serving(2, &policy(listener("web"), upstream));
    let mut first = connect(&socket);
    let mut session = accept(&backend);
    pass("x", &mut first, &mut session);
    assert_eq!(rest(&mut connect(&socket)), "");
    drop((first, session));
    rig.wait_until_empty();
    pass("x", &mut connect(&socket), &mut accept(&backend));
    assert_eq!(rig.ended(Outcome::NoBackend), 1);
}

/// A backend that answers no further attempt: its queue holds one connection and is full.
fn silent() -> (Socket, Vec<Socket>, String) {
    let backend = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    backend.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    backend.listen(0).unwrap();
    let address = backend.local_addr().unwrap();
    // The queue of a backlog of nothing takes one; the second attempt shows that it is full.
    let queued = (0..2).map(|_| {
        let client = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
        let _in_progress = client.connect(&address);
        client
    });
    let queued = queued.collect();
    (backend, queued, address.as_socket().unwrap().to_string())
}

#[test]
fn an_attempt_that_takes_too_long_is_given_up_for_the_next_backend() {
    let (_silent, _queue, stuck) = silent();
    let good = backend();
    let mut upstream = upstream("db", &[&stuck, &address(&good)]);
    upstream.connect_timeout = Duration::from_millis(50);
    let (rig, socket) = Rig::serving(1, &policy(listener("web"), upstream));
    pass("x", &mut connect(&socket), &mut accept(&good));
    assert_eq!(rig.count(Counter::ConnectsTimedOut), 1);
}

#[test]
fn a_client_that_breaks_off_ends_the_attempt_to_connect() {
    let (_silent, _queue, stuck) = silent();
    let mut upstream = upstream("db", &[&stuck]);
    upstream.connect_timeout = PATIENCE * 100;
    let (mut rig, socket) = Rig::serving(1, &policy(listener("web"), upstream));
    let client = connect(&socket);
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    // It may be gone before it is accepted, or after; when the queue is empty it is over.
    rig.commit(&nothing(), []);
    rig.wait_until_empty();
    assert_eq!(rig.finish(), ["web client_reset 0 0"]);
}

#[test]
fn a_backend_without_a_port_gets_that_of_the_socket() {
    let backend = backend();
    let mut rig = Rig::start(1);
    let socket = rig.serve_at(Ipv4Addr::new(127, 0, 0, 2), "web");
    let port = address_of(&socket).port();
    let Ok(same) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) else {
        return; // Another test has the port on that address; the pure test of `Target` stands.
    };
    drop(backend);
    let mut upstream = upstream("db", &["127.0.0.1:1"]);
    upstream.backends[0].address = BackendAddress::SamePort(Ipv4Addr::LOCALHOST.into());
    rig.commit(&policy(listener("web"), upstream), [&socket]);
    pass("x", &mut connect(&socket), &mut accept(&same));
}
