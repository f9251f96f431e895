//! Who may enter, and who waits.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::Ipv4Addr,
    num::NonZeroU32,
    sync::Arc,
};

use super::{
    limited, policy,
    rig::{
        Rig, accept, address, address_of, backend, connect, connect_from, connect_to, is_reset,
        is_unvisited, pass,
    },
};
use crate::{
    address::set::AddressSet,
    admit::Reason,
    policy::ListenerId,
    relay::outcome::Outcome,
    runtime::sample::{listener, upstream},
    telemetry::Counter,
};

#[test]
fn who_is_not_a_client_is_reset() {
    let backend = backend();
    let mut web = listener("web");
    web.clients = Some(AddressSet::of_blocks(["192.0.2.0/24".parse().unwrap()]));
    let (rig, socket) = Rig::serving(1, &policy(web, upstream("db", &[&address(&backend)])));
    assert!(is_reset(address_of(&socket)));
    assert!(is_unvisited(&backend));
    assert_eq!(rig.ended(Outcome::Denied(Reason::NotAClient)), 1);
    assert_eq!(rig.count(Counter::SessionsAdmitted), 0);
    assert_eq!(rig.finish(), ["web denied_clients 0 0"]);
}

#[test]
fn a_client_with_too_many_sessions_is_reset_and_another_is_served() {
    let backend = backend();
    let mut rig = Rig::start(2);
    let socket = rig.serve_at(Ipv4Addr::UNSPECIFIED, "web");
    let mut web = listener("web");
    web.limits.per_client = NonZeroU32::new(1);
    rig.commit(&policy(web, upstream("db", &[&address(&backend)])), [&socket]);
    let mut first = connect_to((Ipv4Addr::LOCALHOST, address_of(&socket).port()).into());
    let mut session = accept(&backend);
    pass("x", &mut first, &mut session);
    assert!(is_reset(first.peer_addr().unwrap()));
    let mut other = connect_from(Ipv4Addr::new(127, 0, 0, 2), first.peer_addr().unwrap());
    pass("x", &mut other, &mut accept(&backend));
    drop((first, session));
}

#[test]
fn clients_over_the_limit_wait_and_none_is_forgotten() {
    let backend = backend();
    let policy = policy(limited(2), upstream("db", &[&address(&backend)]));
    let (rig, socket) = Rig::serving(2, &policy);
    let gate = Arc::clone(&rig.registry.listeners[&ListenerId::new("web")].gate);
    let mut clients: Vec<_> = (0..12).map(|_| Some(connect(&socket))).collect();
    for (number, client) in (0u8..).zip(&clients) {
        client.as_ref().unwrap().write_all(&[number]).unwrap();
    }
    let mut sessions: VecDeque<_> = [accept(&backend), accept(&backend)].into();
    while let Some(mut session) = sessions.pop_front() {
        assert!(is_unvisited(&backend), "the limit holds");
        assert!(gate.sessions() <= 2);
        let mut number = [0];
        session.read_exact(&mut number).unwrap();
        // Whoever it is leaves, and exactly one of those who wait comes in.
        clients[usize::from(number[0])] = None;
        drop(session);
        if clients.iter().flatten().count() > sessions.len() {
            sessions.push_back(accept(&backend));
        }
    }
    rig.wait_until_empty();
    assert_eq!(gate.tallies().read(Counter::SessionsAdmitted), 12);
}

#[test]
fn lifting_the_limit_lets_in_who_waits() {
    let backend = backend();
    let upstream = upstream("db", &[&address(&backend)]);
    let (mut rig, socket) = Rig::serving(2, &policy(limited(1), upstream.clone()));
    let (_first, _second) = (connect(&socket), connect(&socket));
    let _session = accept(&backend);
    assert!(is_unvisited(&backend));
    rig.commit(&policy(listener("web"), upstream), [&socket]);
    accept(&backend);
}
