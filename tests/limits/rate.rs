//! How fast clients enter.

use std::{net::SocketAddr, thread, time::Duration};

use crate::support::{
    Answering, LOOPBACK, Program,
    client::{ask, ask_over, connect, connect_from, turns_away, turns_away_from},
    eventually,
    http::get,
    one_listener,
    wait::now,
};

/// A file whose `web` forwards to the backend under these limits, beside the page that tells what
/// is counted.
fn with(backend: &Answering, limits: &str, workers: usize) -> String {
    one_listener(&[LOOPBACK, limits, &format!("forward: {}", backend.address())])
        + &format!("  status:\n    {LOOPBACK}\n    serve: status\n")
        + &format!(
            "runtime: {{ workers: {workers}, access_log: {{ format: json, to: stdout }} }}\n"
        )
}

/// The value of a counter of `web`.
#[track_caller]
fn counted(program: &Program, name: &str) -> u64 {
    let (_, text) = get(program.address("status"), "/counters");
    let prefix = format!("listener web {name} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&prefix));
    line.map_or(0, |count| count.parse().unwrap())
}

/// Many clients that each connect over and over, for longer than the rate needs to show. Whoever is
/// not served at once waits; the time that it takes says how fast they entered.
#[test]
fn clients_that_come_faster_than_the_rate_wait_and_all_are_served() {
    const COUNT: usize = 20;
    const WORKERS: usize = 2;
    const CLIENTS: usize = 4;
    const EACH: usize = 20;
    let backend = Answering::tcp("b");
    let program = Program::serving(&with(&backend, "limits: { rate: 20/s }", WORKERS));
    let web = program.address("web");
    let begun = now();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| (0..EACH).for_each(|_| assert_eq!(ask(web, "?"), "b: ?")));
        }
    });
    let lasted = now() - begun;
    let asked = CLIENTS * EACH;
    // 20 at once, and as many for each second; two workers may let in one more.
    let at_once = COUNT + WORKERS - 1;
    let least = Duration::from_secs_f64((asked - at_once) as f64 / COUNT as f64);
    assert!(lasted >= least, "{asked} in {lasted:?}");
    assert_eq!(counted(&program, "sessions_admitted"), asked as u64);
    assert!(counted(&program, "limit_rate_reached") > 0);
    program.said("limit is reached, further clients wait listener=web limit=\"rate\"");
    let lines = program.errors().matches("further clients wait").count() as u64;
    assert!(lines <= WORKERS as u64 * (1 + lasted.as_secs() / 10), "{lines} lines");
}

#[test]
fn a_rate_that_is_lifted_is_lifted_at_once_for_those_who_wait() {
    let backend = Answering::tcp("b");
    let mut program = Program::serving(&with(&backend, "limits: { rate: 1/h }", 2));
    let web = program.address("web");
    assert_eq!(ask(web, "?"), "b: ?");
    // Its handshake is done by the kernel, and there it waits for the best part of an hour.
    let waiting = connect(web);
    program.said("further clients wait");
    program.reload(&with(&backend, "limits: { rate: 100/s }", 2));
    assert_eq!(ask_over(&waiting, "?"), "b: ?");
}

#[test]
fn a_reload_that_leaves_the_rate_alone_does_not_begin_it_anew() {
    let backend = Answering::tcp("b");
    let mut program = Program::serving(&with(&backend, "limits: { per_client_rate: 2/h }", 2));
    let web = program.address("web");
    assert_eq!([ask(web, "1"), ask(web, "2")], ["b: 1", "b: 2"]);
    program.reload(&with(&backend, "limits: { connections: 9, per_client_rate: 2/h }", 2));
    assert!(turns_away(web));
}

#[test]
fn a_client_that_comes_too_fast_is_turned_away_and_others_are_not_touched() {
    const TRIES: usize = 10;
    let backend = Answering::tcp("b");
    let mut program = Program::serving(&with(&backend, "limits: { per_client_rate: 3/h }", 2));
    let web = program.address("web");
    for _ in 0..3 {
        assert_eq!(ask(web, "?"), "b: ?");
        assert_eq!(program.record()["outcome"], "client_closed");
    }
    for _ in 0..TRIES {
        assert!(turns_away(web));
        assert_eq!(program.record()["outcome"], "denied_per_client_rate");
    }
    assert_eq!(counted(&program, "ended_denied_per_client_rate"), TRIES as u64);
    program.said("limit is reached, client turned away listener=web client=127.0.0.1:");
    assert!(program.errors().matches("turned away").count() <= 2, "one line for each worker");
    let other = "127.0.0.2".parse().unwrap();
    assert_eq!(ask_over(&connect_from(other, web), "?"), "b: ?");
    assert_eq!(backend.accepted(), 4, "the backend hears nothing of those turned away");
}

#[test]
fn who_is_turned_away_takes_nothing_from_the_rate_of_all() {
    let backend = Answering::tcp("b");
    let limits = "limits: { rate: 2/h }\n    clients: { deny: [127.0.0.9] }";
    let program = Program::serving(&with(&backend, limits, 1));
    let web: SocketAddr = program.address("web");
    for _ in 0..5 {
        assert!(turns_away_from("127.0.0.9".parse().unwrap(), web));
    }
    assert_eq!([ask(web, "1"), ask(web, "2")], ["b: 1", "b: 2"]);
    eventually("the page shows sessions, total, turned away", || {
        get(program.address("status"), "/").1.contains("<td>0<td>2<td>5<td>")
    });
}
