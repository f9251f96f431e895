//! Workers as a whole, between scripted clients and backends.

mod rig;

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr},
    num::NonZeroU32,
    os::unix::net::{UnixListener, UnixStream},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, SockRef, Socket, Type};

use crate::{
    address::set::AddressSet,
    admit::Reason,
    policy::{Action, BackendAddress, Listener, ListenerId, Policy, Upstream},
    relay::outcome::Outcome,
    runtime::{
        ListenerState, Role, Successor, UpstreamState,
        sample::{self, listener, upstream},
        session::Session,
        status::{StatusLine, StatusView},
    },
    telemetry::{Counter, Generation},
};
use rig::{
    PATIENCE, Rig, accept, address, address_of, backend, closed, connect, connect_from, connect_to,
    is_reset, is_unvisited, pass, rest,
};

/// One listener `web` that forwards to these.
fn web(backends: &[&str]) -> Policy {
    policy(listener("web"), upstream("db", backends))
}

fn policy(listener: Listener, upstream: Upstream) -> Policy {
    sample::policy([listener], [upstream])
}

fn nothing() -> Policy {
    sample::policy([], [])
}

#[test]
fn joins_a_client_to_a_backend_and_passes_each_end_on() {
    let backend = backend();
    let mut rig = Rig::start(1);
    let socket = rig.serve("web");
    rig.commit(&web(&[&address(&backend)]), [&socket]);
    let mut client = connect(&socket);
    let mut session = accept(&backend);
    pass("question", &mut client, &mut session);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut session), "");
    pass("the answer", &mut session, &mut client);
    drop(session);
    assert_eq!(rest(&mut client), "");
    rig.wait_until_empty();
    assert_eq!(rig.registry.listeners[&ListenerId::new("web")].gate.sessions(), 0);
    assert_eq!(rig.ended(Outcome::ClientClosed), 1);
    assert_eq!(rig.count(Counter::BytesToClient), 10);
    assert_eq!(rig.finish(), ["web client_closed 8 10"]);
}

#[test]
fn a_second_listener_on_the_same_worker_is_independent() {
    let (one, two) = (backend(), backend());
    let mut rig = Rig::start(1);
    let sockets = [rig.serve("one"), rig.serve("two")];
    let mut second = listener("two");
    second.action = Action::Forward(crate::policy::UpstreamId::new("other"));
    let upstreams = [upstream("db", &[&address(&one)]), upstream("other", &[&address(&two)])];
    rig.commit(&sample::policy([listener("one"), second], upstreams), &sockets);
    pass("1", &mut connect(&sockets[0]), &mut accept(&one));
    pass("2", &mut connect(&sockets[1]), &mut accept(&two));
}

#[test]
fn backends_take_turns() {
    let (one, two) = (backend(), backend());
    let mut rig = Rig::start(1);
    let socket = rig.serve("web");
    rig.commit(&web(&[&address(&one), &address(&two)]), [&socket]);
    for expected in [&one, &two, &one, &two] {
        let mut client = connect(&socket);
        pass("x", &mut client, &mut accept(expected));
    }
    assert!(is_unvisited(&one) && is_unvisited(&two));
}

#[test]
fn a_backend_that_refuses_costs_a_retry_and_not_the_client() {
    let good = backend();
    let mut rig = Rig::start(1);
    let socket = rig.serve("web");
    rig.commit(&web(&[&closed(), &closed(), &address(&good)]), [&socket]);
    pass("x", &mut connect(&socket), &mut accept(&good));
    assert_eq!(rig.count(Counter::ConnectsRefused), 2);
}

#[test]
fn retries_are_bounded_and_the_last_failure_is_the_outcome() {
    let mut rig = Rig::start(1);
    let socket = rig.serve("web");
    let mut upstream = upstream("db", &[&closed(), &closed(), &closed()]);
    upstream.retries = 1;
    rig.commit(&policy(listener("web"), upstream), [&socket]);
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
    let mut rig = Rig::start(1);
    let socket = rig.serve("web");
    rig.commit(&policy(listener("web"), upstream), [&socket]);
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
    let mut rig = Rig::start(2);
    let socket = rig.serve("web");
    rig.commit(&policy(listener("web"), upstream), [&socket]);
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
    let mut rig = Rig::start(1);
    let socket = rig.serve("web");
    rig.commit(&policy(listener("web"), upstream), [&socket]);
    pass("x", &mut connect(&socket), &mut accept(&good));
    assert_eq!(rig.count(Counter::ConnectsTimedOut), 1);
}

#[test]
fn a_client_that_breaks_off_ends_the_attempt_to_connect() {
    let (_silent, _queue, stuck) = silent();
    let mut upstream = upstream("db", &[&stuck]);
    upstream.connect_timeout = PATIENCE * 100;
    let mut rig = Rig::start(1);
    let socket = rig.serve("web");
    rig.commit(&policy(listener("web"), upstream), [&socket]);
    let client = connect(&socket);
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    // It may be gone before it is accepted, or after; when the queue is empty it is over.
    rig.commit(&nothing(), []);
    rig.wait_until_empty();
    assert_eq!(rig.finish(), ["web client_reset 0 0"]);
}

#[test]
fn a_client_that_has_only_ended_its_output_is_still_joined() {
    let backend = backend();
    let mut rig = Rig::start(1);
    let socket = rig.serve("web");
    let mut client = connect(&socket);
    client.write_all(b"all I have").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    rig.commit(&web(&[&address(&backend)]), [&socket]);
    let mut session = accept(&backend);
    assert_eq!(rest(&mut session), "all I have");
    pass("heard", &mut session, &mut client);
}

#[test]
fn who_is_not_a_client_is_reset() {
    let backend = backend();
    let mut rig = Rig::start(1);
    let socket = rig.serve("web");
    let mut web = listener("web");
    web.clients = Some(AddressSet::of_blocks(["192.0.2.0/24".parse().unwrap()]));
    rig.commit(&policy(web, upstream("db", &[&address(&backend)])), [&socket]);
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
    let mut rig = Rig::start(2);
    let socket = rig.serve("web");
    let mut web = listener("web");
    web.limits.connections = NonZeroU32::new(2);
    let policy = policy(web, upstream("db", &[&address(&backend)]));
    rig.commit(&policy, [&socket]);
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
    let mut rig = Rig::start(2);
    let socket = rig.serve("web");
    let mut limited = listener("web");
    limited.limits.connections = NonZeroU32::new(1);
    let upstream = upstream("db", &[&address(&backend)]);
    rig.commit(&policy(limited, upstream.clone()), [&socket]);
    let (_first, _second) = (connect(&socket), connect(&socket));
    let _session = accept(&backend);
    assert!(is_unvisited(&backend));
    rig.commit(&policy(listener("web"), upstream), [&socket]);
    accept(&backend);
}

#[test]
fn a_socket_that_goes_serves_who_is_in_its_queue() {
    let backend = backend();
    let mut rig = Rig::start(2);
    let socket = rig.serve("web");
    let mut limited = listener("web");
    limited.limits.connections = NonZeroU32::new(1);
    let upstream = upstream("db", &[&address(&backend)]);
    rig.commit(&policy(limited, upstream.clone()), [&socket]);
    let _served = connect(&socket);
    let _session = accept(&backend);
    let mut waiting = connect(&socket);
    rig.commit(&policy(listener("web"), upstream), []);
    pass("still heard", &mut waiting, &mut accept(&backend));
    assert_eq!(rig.count(Counter::SocketsReleased), 1, "one worker accepted");
    assert_eq!(Arc::strong_count(&socket.socket), 1, "no worker holds it");
}

#[test]
fn sessions_of_a_listener_that_is_gone_go_on_until_they_are_done() {
    let backend = backend();
    let mut rig = Rig::start(1);
    let socket = rig.serve("web");
    rig.commit(&web(&[&address(&backend)]), [&socket]);
    let mut client = connect(&socket);
    let mut session = accept(&backend);
    rig.commit(&nothing(), []);
    pass("still here", &mut client, &mut session);
    assert_eq!(rig.workers.sessions(), 1);
    drop((client, session));
    rig.wait_until_empty();
}

#[test]
fn sessions_of_a_listener_that_is_gone_are_drained_at_the_deadline() {
    let backend = backend();
    let mut rig = Rig::start(1);
    let socket = rig.serve("web");
    let mut policy = web(&[&address(&backend)]);
    policy.runtime.drain = Duration::from_millis(20);
    rig.commit(&policy, [&socket]);
    let mut client = connect(&socket);
    let mut session = accept(&backend);
    pass("abc", &mut client, &mut session);
    rig.commit(&nothing(), []);
    assert_eq!(rest(&mut client), "", "an end, not a reset");
    assert_eq!(rest(&mut session), "");
    drop((client, session));
    rig.wait_until_empty();
    assert_eq!(rig.finish(), ["web drained 3 0"]);
}

#[test]
fn stopping_at_once_ends_and_records_every_session() {
    let backend = backend();
    let mut rig = Rig::start(2);
    let socket = rig.serve("web");
    rig.commit(&web(&[&address(&backend)]), [&socket]);
    let (_client, _other) = (connect(&socket), connect(&socket));
    let (_session, _second) = (accept(&backend), accept(&backend));
    assert_eq!(rig.finish(), ["web drained 0 0", "web drained 0 0"]);
}

#[test]
fn a_session_keeps_the_configuration_it_began_under() {
    let (old, new) = (backend(), backend());
    let mut rig = Rig::start(1);
    let socket = rig.serve("web");
    rig.commit(&web(&[&address(&old)]), [&socket]);
    let mut client = connect(&socket);
    let mut session = accept(&old);
    rig.commit(&web(&[&address(&new)]), [&socket]);
    pass("old", &mut client, &mut session);
    pass("new", &mut connect(&socket), &mut accept(&new));
}

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
    let mut rig = Rig::start(WORKERS);
    let socket = rig.serve("web");
    rig.commit(&web(&[&address(&backend)]), [&socket]);
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
    let mut web = listener("web");
    web.limits.connections = NonZeroU32::new(1);
    let policy = policy(web, upstream("db", &[&address(&backend)]));
    let listener = ListenerId::new("web");
    let successors =
        vec![Successor { address: address_of(&socket), device: None, listener: listener.clone() }];
    socket.role = Role::Linger { of: listener.clone(), successors };
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
    let tallies = rig.registry.listeners[&listener].gate.tallies();
    assert_eq!(tallies.read(Counter::SessionsAdmitted), 6);
    assert!(tallies.read(Counter::ConnectionsReached) > 0);
    assert_eq!(rig.ended(Outcome::Denied(Reason::Full)), 0);
}

#[test]
fn a_client_that_waits_by_a_lingering_socket_is_turned_away_when_the_socket_goes() {
    let backend = backend();
    let mut rig = Rig::start(1);
    let mut socket = rig.serve("web");
    let mut web = listener("web");
    web.limits.connections = NonZeroU32::new(1);
    let policy = policy(web, upstream("db", &[&address(&backend)]));
    let listener = ListenerId::new("web");
    let successors =
        vec![Successor { address: address_of(&socket), device: None, listener: listener.clone() }];
    socket.role = Role::Linger { of: listener, successors };
    rig.commit(&policy, [&socket]);
    let (_first, mut second) = (connect(&socket), connect(&socket));
    let _session = accept(&backend);
    rig.commit(&policy, []);
    let end = second.read(&mut [0]).map_err(|error| error.kind());
    assert!(matches!(end, Err(ErrorKind::ConnectionReset)), "{end:?}");
    assert!(is_unvisited(&backend));
}

#[test]
fn a_backend_without_a_port_gets_that_of_the_socket() {
    let backend = backend();
    let mut rig = Rig::start(1);
    let socket = rig.serve_at(Ipv4Addr::new(127, 0, 0, 2), "web");
    let port = address_of(&socket).port();
    let Ok(same) = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)) else {
        return; // Another test has the port on that address; the pure test of `Target` stands.
    };
    drop(backend);
    let mut upstream = upstream("db", &["127.0.0.1:1"]);
    upstream.backends[0].address = BackendAddress::SamePort(Ipv4Addr::LOCALHOST.into());
    rig.commit(&policy(listener("web"), upstream), [&socket]);
    pass("x", &mut connect(&socket), &mut accept(&same));
}

#[test]
fn path_sockets_serve_and_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backend");
    let backend = UnixListener::bind(&path).unwrap();
    let mut rig = Rig::start(1);
    let socket = rig.serve_path("in", "web");
    rig.commit(&web(&[path.to_str().unwrap()]), [&socket]);
    let crate::plan::BindAddress::Unix(way_in) = socket.socket.address() else { panic!("a path") };
    let mut client = UnixStream::connect(way_in).unwrap();
    let (mut session, _) = backend.accept().unwrap();
    for stream in [&client, &session] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    pass("over paths", &mut client, &mut session);
    pass("and back", &mut session, &mut client);
    drop((client, session));
    rig.wait_until_empty();
    assert_eq!(rig.ended(Outcome::ClientClosed), 1);
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

fn status_rig() -> (Rig, crate::runtime::Assignment) {
    let mut rig = Rig::start(1);
    let socket = rig.serve("status");
    let mut status = listener("status");
    status.action = Action::Status;
    rig.commit(&sample::policy([status], []), [&socket]);
    (rig, socket)
}

fn ask(socket: &crate::runtime::Assignment, request: &str) -> String {
    let mut client = connect(socket);
    client.write_all(request.as_bytes()).unwrap();
    rest(&mut client)
}

#[test]
fn the_status_page_answers_and_tells_what_is_committed() {
    let (rig, socket) = status_rig();
    rig.status.send_replace(Arc::new(StatusView {
        service: None,
        generation: Generation(5),
        started: tokio::time::Instant::now(),
        draining: true,
        tallies: Arc::clone(rig.workers.tallies()),
        listeners: vec![StatusLine {
            listener: ListenerId::new("status"),
            addresses: vec![address_of(&socket).to_string()],
            gate: Arc::clone(&rig.registry.listeners[&ListenerId::new("status")].gate),
        }],
    }));
    let page = ask(&socket, "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("draining, generation 5"), "{page}");
    assert!(page.contains("<td>status<td>127.0.0.1:"), "{page}");
    let health = ask(&socket, "GET /healthz HTTP/1.0\r\n\r\n");
    assert!(health.starts_with("HTTP/1.0 503 "), "{health}");
    rig.wait_until_empty();
    assert_eq!(rig.ended(Outcome::Answered), 2);
    assert_eq!(rig.finish(), ["status answered 0 0", "status answered 0 0"]);
}

#[test]
fn the_status_page_survives_what_is_not_a_request() {
    let (rig, socket) = status_rig();
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(64 * 1024));
    for request in ["\0\0\0\r\n\r\n", "GET\r\n\r\n", &long] {
        let mut client = connect(&socket);
        // The server may have seen enough before all is written.
        let _cut_short = client.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _reset = client.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{request:.20}");
    }
    let body = "z".repeat(20_000);
    let refused = ask(&socket, &format!("POST / HTTP/1.1\r\ncontent-length: 20000\r\n\r\n{body}"));
    assert!(refused.starts_with("HTTP/1.1 405 "), "{refused}");
    rig.wait_until_empty();
}

#[test]
fn a_session_that_panics_gives_everything_back_and_the_others_go_on() {
    let backend = backend();
    let mut rig = Rig::start(1);
    let socket = rig.serve("web");
    let policy = web(&[&address(&backend)]);
    rig.commit(&policy, [&socket]);
    let mut client = connect(&socket);
    let mut session = accept(&backend);
    let sane = rig.registry.listeners[&ListenerId::new("web")].clone();
    let broken = ListenerState {
        policy: Arc::clone(&sane.policy),
        upstream: Some(Arc::new(UpstreamState::broken())),
        gate: Arc::clone(&sane.gate),
        meter: Arc::clone(&sane.meter),
        generation: sane.generation,
        drain: sane.drain,
    };
    rig.registry.listeners.insert(ListenerId::new("web"), Arc::new(broken));
    rig.commit_registry([&socket]);
    assert_eq!(rest(&mut connect(&socket)), "");
    pass("unharmed", &mut client, &mut session);
    rig.commit(&policy, [&socket]);
    pass("x", &mut connect(&socket), &mut accept(&backend));
    drop((client, session));
    rig.wait_until_empty();
    assert_eq!(sane.gate.sessions(), 0);
    assert_eq!(rig.ended(Outcome::Panicked), 1);
}

/// What an idle session costs beside its sockets. A larger one is not wrong, but should be on
/// purpose.
#[test]
fn a_session_is_small() {
    fn size<A, B, F>(_: impl FnOnce(A, B) -> F) -> usize {
        size_of::<F>()
    }
    let size = size(Session::run);
    #[expect(
        clippy::print_stdout,
        reason = "the figure is what one wants to see when it has grown"
    )]
    {
        println!("the task of a session: {size} bytes");
    }
    assert!(size <= 768, "{size} bytes");
}
