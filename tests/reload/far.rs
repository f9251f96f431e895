//! Changes of the sockets while clients come over a line with a round trip of 20 ms. On loopback a
//! handshake is over before a socket can go; here some are always under way on it.

use std::{io, net::IpAddr, thread, time::Duration};

use portcullis::sys::netlink::handshakes_on;

use crate::support::{
    Program,
    arrivals::Arrivals,
    client::try_connect_from,
    eventually, exposed_as,
    far::{NEAR, on_the_far_side},
    http::try_get_over,
    namespace::{in_namespace, run},
    sockets,
};

/// The address that is asked for, alone or among all others.
fn file(expose: &str, more: &str) -> String {
    exposed_as(expose, "allow: { reason: the test asks for it }", "serve: status") + more
}

const WIDE: &str = "any: { families: [v4] }";

fn narrow() -> String {
    format!("private: {{ address: {NEAR} }}")
}

#[test]
#[expect(clippy::print_stdout, reason = "how many clients there were is what it shows")]
fn narrowings_and_widenings_lose_no_client_whose_handshake_is_under_way() {
    const RELOADS: usize = 20;
    in_namespace(
        "reload::far::narrowings_and_widenings_lose_no_client_whose_handshake_is_under_way",
        || {
            let clients = Arrivals::over_a_line();
            let mut program = Program::serving(&file(WIDE, ""));
            clients.begin();
            for number in 0..RELOADS {
                let expose = if number % 2 == 0 { narrow() } else { WIDE.to_owned() };
                program.reload(&file(&expose, ""));
                clients.come_through();
            }
            let served = clients.end();
            println!("counted: {RELOADS} reloads over 20 ms, {served} clients, none lost");
        },
    );
}

#[test]
#[expect(clippy::print_stdout, reason = "how many clients there were is what it shows")]
fn a_fan_out_that_shrinks_and_grows_loses_no_client_whose_handshake_is_under_way() {
    const ROUNDS: usize = 5;
    in_namespace(
        "reload::far::a_fan_out_that_shrinks_and_grows_loses_no_client_whose_handshake_is_under_way",
        || {
            let clients = Arrivals::over_a_line();
            let fanned = |count: usize| {
                let fanout = format!("    fanout: {count}\n");
                file(&narrow(), &fanout) + &format!("runtime: {{ workers: {count} }}\n")
            };
            let at = format!("{NEAR}:8080").parse().unwrap();
            let mut program = Program::serving(&fanned(4));
            assert_eq!(sockets::on(program.pid(), at).len(), 4);
            clients.begin();
            for _ in 0..ROUNDS {
                for count in [2, 4] {
                    program.reload(&fanned(count));
                    clients.come_through();
                }
            }
            let served = clients.end();
            println!("counted: {} reloads over 20 ms, {served} clients, none lost", 2 * ROUNDS);
        },
    );
}

/// Asks for the state of what listens there; what it said, or how it turned away.
fn state_of(address: &str, from: &str) -> Result<String, io::ErrorKind> {
    let source: IpAddr = from.parse().unwrap();
    let connection = try_connect_from(source, format!("{address}:8080").parse().unwrap());
    let answer = connection.and_then(|connection| try_get_over(connection, "/healthz"));
    answer.map(|(_, body)| body).map_err(|error| error.kind())
}

#[test]
fn a_client_whose_handshake_ends_after_a_narrowing_is_held_against_the_new_policy() {
    /// So long that a change is over while a handshake is under way.
    const ONE_WAY: Duration = Duration::from_secs(1);
    const ELSEWHERE: &str = "10.9.0.9";
    const CLIENTS: [(&str, &str); 3] =
        [(NEAR, "10.9.0.2"), (NEAR, "10.9.0.3"), (ELSEWHERE, "10.9.0.3")];
    in_namespace(
        "reload::far::a_client_whose_handshake_ends_after_a_narrowing_is_held_against_the_new_policy",
        || {
            let (go, begun) = std::sync::mpsc::channel::<()>();
            let far_side = on_the_far_side(ONE_WAY, move || {
                run("ip addr add 10.9.0.3/24 dev far");
                begun.recv().unwrap();
                let clients = CLIENTS.map(|(to, from)| thread::spawn(|| state_of(to, from)));
                clients.map(|client| client.join().unwrap())
            });
            run(&format!("ip addr add {ELSEWHERE}/24 dev near"));
            let mut program = Program::serving(&file(WIDE, ""));
            go.send(()).unwrap();
            let under_way = || handshakes_on(8080).unwrap();
            eventually("all handshakes have begun", || under_way() == CLIENTS.len());
            program.reload(&file(&narrow(), "    clients: { deny: [10.9.0.2] }\n"));
            assert_eq!(under_way(), CLIENTS.len(), "none has ended");
            let [denied, served, not_exposed] = far_side.join().unwrap();
            assert_eq!(served.unwrap(), "ok\n");
            for turned_away in [denied, not_exposed] {
                let kinds = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
                let kind = turned_away.unwrap_err();
                assert!(kinds.contains(&kind), "{kind:?}");
            }
        },
    );
}
