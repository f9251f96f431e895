//! Workers as a whole, between scripted clients and backends.

mod backends;
mod limits;
mod linger;
mod rig;
mod sockets;
mod status;

use std::{
    io::Write,
    net::Shutdown,
    num::NonZeroU32,
    os::unix::net::{UnixListener, UnixStream},
    sync::{Arc, Mutex, mpsc},
    task::{Context, Wake, Waker},
    time::Duration,
};

use crate::{
    plan::BindAddress,
    policy::{Action, Listener, ListenerId, Policy, Upstream, UpstreamId},
    relay::outcome::Outcome,
    runtime::{
        ListenerState, UpstreamState,
        sample::{self, listener, upstream},
        session::Session,
    },
    telemetry::Counter,
};
use rig::{PATIENCE, Rig, accept, address, backend, connect, pass, rest};

/// One listener `web` that forwards to these.
fn web(backends: &[&str]) -> Policy {
    policy(listener("web"), upstream("db", backends))
}

fn policy(listener: Listener, upstream: Upstream) -> Policy {
    sample::policy([listener], [upstream])
}

/// The listener `web`, with at most so many sessions at a time.
fn limited(connections: u32) -> Listener {
    let mut web = listener("web");
    web.limits.connections = NonZeroU32::new(connections);
    web
}

fn nothing() -> Policy {
    sample::policy([], [])
}

#[test]
fn joins_a_client_to_a_backend_and_passes_each_end_on() {
    let backend = backend();
    let (rig, socket) = Rig::serving(1, &web(&[&address(&backend)]));
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
    second.action = Action::Forward(UpstreamId::new("other"));
    let upstreams = [upstream("db", &[&address(&one)]), upstream("other", &[&address(&two)])];
    rig.commit(&sample::policy([listener("one"), second], upstreams), &sockets);
    pass("1", &mut connect(&sockets[0]), &mut accept(&one));
    pass("2", &mut connect(&sockets[1]), &mut accept(&two));
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
fn sessions_of_a_listener_that_is_gone_go_on_until_they_are_done() {
    let backend = backend();
    let (mut rig, socket) = Rig::serving(1, &web(&[&address(&backend)]));
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
    let mut policy = web(&[&address(&backend)]);
    policy.runtime.drain = Duration::from_millis(20);
    let (mut rig, socket) = Rig::serving(1, &policy);
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
    let (rig, socket) = Rig::serving(2, &web(&[&address(&backend)]));
    let (_client, _other) = (connect(&socket), connect(&socket));
    let (_session, _second) = (accept(&backend), accept(&backend));
    assert_eq!(rig.finish(), ["web drained 0 0", "web drained 0 0"]);
}

#[test]
fn a_session_keeps_the_configuration_it_began_under() {
    let (old, new) = (backend(), backend());
    let (mut rig, socket) = Rig::serving(1, &web(&[&address(&old)]));
    let mut client = connect(&socket);
    let mut session = accept(&old);
    rig.commit(&web(&[&address(&new)]), [&socket]);
    pass("old", &mut client, &mut session);
    pass("new", &mut connect(&socket), &mut accept(&new));
}

#[test]
fn path_sockets_serve_and_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backend");
    let backend = UnixListener::bind(&path).unwrap();
    let mut rig = Rig::start(1);
    let socket = rig.serve_path("in", "web");
    rig.commit(&web(&[path.to_str().unwrap()]), [&socket]);
    let BindAddress::Unix(way_in) = socket.socket.address() else { panic!("a path") };
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
fn a_session_that_panics_gives_everything_back_and_the_others_go_on() {
    let backend = backend();
    let policy = web(&[&address(&backend)]);
    let (mut rig, socket) = Rig::serving(1, &policy);
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

/// Whoever waits so holds up whoever wakes it, until it is let go.
struct Hold(Mutex<mpsc::Receiver<()>>);

impl Wake for Hold {
    fn wake(self: Arc<Self>) {
        // An error lets go as well.
        let _let_go = self.0.lock().unwrap().recv();
    }
}

#[test]
fn a_stuck_worker_does_not_answer() {
    let rig = Rig::start(1);
    assert!(rig.answer(PATIENCE), "none is stuck");
    let (let_go, held) = mpsc::channel();
    let waker = Waker::from(Arc::new(Hold(Mutex::new(held))));
    let mut answer = Box::pin(rig.workers.answer());
    // A worker that was faster has woken nobody.
    while answer.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
        answer.set(rig.workers.answer());
    }
    assert!(!rig.answer(Duration::from_millis(100)), "it waits in `wake`");
    let_go.send(()).unwrap();
    assert!(rig.answer(PATIENCE), "it goes on");
}
