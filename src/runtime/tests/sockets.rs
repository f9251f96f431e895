//! Who serves which socket: every commit and every worker loses nobody.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Write},
    net::Shutdown,
    sync::Arc,
};

use socket2::SockRef;

use super::{
    limited, nothing, policy,
    rig::{Rig, accept, address, backend, connect, pass, rest},
    web,
};
use crate::{
    runtime::sample::{self, listener, upstream},
    telemetry::Counter,
};

#[test]
fn a_commit_touches_only_the_sockets_that_changed() {
    const LISTENERS: usize = 200;
    let backend = backend();
    let mut rig = Rig::start(2);
    let names: Vec<_> = (0..LISTENERS).map(|number| format!("l{number}")).collect();
    let policy = |names: &[String]| {
        let listeners = names.iter().map(|name| listener(name));
        sample::policy(listeners, [upstream("db", &[&address(&backend)])])
    };
    let mut sockets: Vec<_> = names.iter().map(|name| rig.serve(name)).collect();
    rig.commit(&policy(&names), &sockets);
    assert_eq!(rig.count(Counter::SocketsTaken), LISTENERS as u64);
    sockets.swap_remove(7);
    sockets.push(rig.serve("l7"));
    rig.commit(&policy(&names), &sockets);
    assert_eq!(rig.count(Counter::SocketsTaken), LISTENERS as u64 + 1);
    assert_eq!(rig.count(Counter::SocketsReleased), 1);
    for socket in [&sockets[0], &sockets[LISTENERS - 1]] {
        pass("x", &mut connect(socket), &mut accept(&backend));
    }
}

#[test]
fn sockets_of_more_workers_than_there_are_lose_nobody() {
    let backend = backend();
    let mut rig = Rig::start(2);
    let sockets = rig.serve_fanned(5, "web");
    rig.commit(&web(&[&address(&backend)]), &sockets);
    let mut clients: Vec<_> = (0..40).map(|_| connect(&sockets[0])).collect();
    let mut sessions: Vec<_> = clients.iter().map(|_| accept(&backend)).collect();
    sessions.iter_mut().for_each(|session| session.write_all(b"x").unwrap());
    drop(sessions);
    clients.iter_mut().for_each(|client| assert_eq!(rest(client), "x"));
    assert_eq!(rig.count(Counter::SocketsTaken), 5);
}

#[test]
fn clients_of_one_socket_go_to_the_worker_that_has_the_fewest_sessions() {
    const WORKERS: usize = 3;
    let backend = backend();
    let (rig, socket) = Rig::serving(WORKERS, &web(&[&address(&backend)]));
    let mut held: VecDeque<_> =
        (0..4 * WORKERS).map(|_| (connect(&socket), accept(&backend))).collect();
    assert_eq!(rig.workers.sessions_by_worker(), [4; WORKERS]);
    for (client, session) in &mut held {
        pass("x", client, session);
    }
    assert_eq!(rig.count(Counter::SocketsTaken), 1, "one of them accepts");
    drop(held);
    rig.wait_until_empty();
}

/// Clients are on their way from one worker to another while the listener goes.
#[test]
fn clients_that_are_handed_over_while_their_listener_goes_are_served() {
    let backend = backend();
    let mut rig = Rig::start(3);
    let policy = web(&[&address(&backend)]);
    for _ in 0..50 {
        let socket = rig.serve("web");
        rig.commit(&policy, [&socket]);
        let mut clients: Vec<_> = (0..6).map(|_| connect(&socket)).collect();
        rig.commit(&nothing(), []);
        drop(socket);
        for _ in &clients {
            accept(&backend).write_all(b"x").unwrap();
        }
        clients.iter_mut().for_each(|client| assert_eq!(rest(client), "x"));
        drop(clients);
        rig.wait_until_empty();
    }
}

#[test]
fn a_socket_that_is_broken_is_reported_and_served_no_more() {
    let backend = backend();
    let mut rig = Rig::start(1);
    let (broken, sound) = (rig.serve("web"), rig.serve("web"));
    rig.commit(&web(&[&address(&backend)]), [&broken, &sound]);
    SockRef::from(&*broken.socket).shutdown(Shutdown::Both).unwrap();
    let incident = rig.incident();
    assert_eq!(incident.socket, broken.id);
    assert_eq!(incident.error.kind(), ErrorKind::InvalidInput);
    assert_eq!(rig.count(Counter::AcceptFailures), 1);
    pass("x", &mut connect(&sound), &mut accept(&backend));
}

#[test]
fn a_socket_that_goes_serves_who_is_in_its_queue() {
    let backend = backend();
    let upstream = upstream("db", &[&address(&backend)]);
    let (mut rig, socket) = Rig::serving(2, &policy(limited(1), upstream.clone()));
    let _served = connect(&socket);
    let _session = accept(&backend);
    let mut waiting = connect(&socket);
    rig.commit(&policy(listener("web"), upstream), []);
    pass("still heard", &mut waiting, &mut accept(&backend));
    assert_eq!(rig.count(Counter::SocketsReleased), 1, "one worker accepted");
    assert_eq!(Arc::strong_count(&socket.socket), 1, "no worker holds it");
}
