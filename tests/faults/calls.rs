//! How many system calls a request takes, and a connection. Nearly all that a session costs is
//! spent in them, so one more is a loss for everybody.

use crate::support::{
    Answering,
    client::{ask_over, connect},
    namespace::in_namespace,
    trace::{Calls, Trace},
};

use super::forwarding;

/// Enough of them to tell what each takes from what the worker does by itself once a second.
const REQUESTS: usize = 200;
const CONNECTIONS: usize = 50;

/// Calls that the worker's event loop makes by itself while a test runs, at the most: a few a
/// second, and a test that is traced on a busy machine may take some.
const BY_ITSELF: usize = 50;

/// What each request and its answer take: one read and one write each.
const PER_REQUEST: &[(&str, usize)] = &[("recvfrom", 2), ("sendto", 2)];

/// What each connection takes beside its requests.
const PER_CONNECTION: &[(&str, usize)] = &[
    // The second finds that nobody else waits; of many who come together only the last needs it.
    ("accept4", 2),
    ("socket", 1),
    // TCP_NODELAY; what a listener accepts has it from the listener.
    ("setsockopt", 1),
    ("connect", 1),
    // Whether it has connected.
    ("getsockopt", 1),
    // Each socket enters the poll and leaves it.
    ("epoll_ctl", 4),
    // The end of either side.
    ("recvfrom", 2),
    // The first end is passed on by itself, the second by closing.
    ("shutdown", 1),
    ("close", 2),
];

/// Waits for events that a request takes, and a connection, at the most: one for each thing that
/// has to happen elsewhere first. They are fewer when several things happen at once.
const WAITS_PER_REQUEST: usize = 2;
const WAITS_PER_CONNECTION: usize = 4;

/// Calls of the event loop, which depend on what comes together.
const OF_THE_LOOP: &[&str] = &["epoll_wait", "write", "read"];

/// Checks of the standard library and of the runtime, which a release does not make.
const OF_DEBUG_BUILDS: &str = "fcntl";

#[test]
fn a_request_takes_four_calls_and_two_waits() {
    in_namespace("faults::calls::a_request_takes_four_calls_and_two_waits", || {
        let backend = Answering::tcp("b");
        let program = forwarding(backend.address(), &[]);
        let session = connect(program.address("web"));
        ask_over(&session, "?");
        let trace = Trace::of_worker(&program, &[]);
        (0..REQUESTS).for_each(|_| _ = ask_over(&session, "?"));
        let calls = trace.calls_until("sendto", 2 * REQUESTS);
        check("request", REQUESTS, calls, PER_REQUEST, WAITS_PER_REQUEST);
    });
}

#[test]
fn a_connection_takes_fifteen_calls_beside_its_requests() {
    in_namespace("faults::calls::a_connection_takes_fifteen_calls_beside_its_requests", || {
        let backend = Answering::tcp("b");
        let program = forwarding(backend.address(), &[]);
        let trace = Trace::of_worker(&program, &[]);
        for done in 1..=CONNECTIONS {
            ask_over(connect(program.address("web")), "?");
            trace.calls_until("close", 2 * done);
        }
        let mut calls = trace.calls();
        for (name, count) in PER_REQUEST {
            *calls.get_mut(*name).unwrap() -= count * CONNECTIONS;
        }
        calls.retain(|_, count| *count > 0);
        let waits = WAITS_PER_CONNECTION + WAITS_PER_REQUEST;
        check("connection", CONNECTIONS, calls, PER_CONNECTION, waits);
    });
}

/// Compares what was called with what each of `count` may take.
#[track_caller]
fn check(what: &str, count: usize, mut calls: Calls, each: &[(&str, usize)], waits: usize) {
    tell(what, count, &calls);
    let of_the_loop: usize = OF_THE_LOOP.iter().filter_map(|name| calls.remove(*name)).sum();
    assert!(of_the_loop <= count * waits + BY_ITSELF, "{of_the_loop} for the event loop");
    if cfg!(debug_assertions) {
        calls.remove(OF_DEBUG_BUILDS);
    }
    let expected = each.iter().map(|(name, calls)| ((*name).to_owned(), calls * count)).collect();
    assert_eq!(calls, expected, "{count} times {each:?}");
}

#[expect(clippy::print_stdout, reason = "the breakdown is what one wants to see")]
fn tell(what: &str, count: usize, calls: &Calls) {
    for (name, calls) in calls {
        println!("counted: {:6.2} {name} per {what}", *calls as f64 / count as f64);
    }
}
