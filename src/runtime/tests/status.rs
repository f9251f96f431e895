//! The status page, answered by a worker.

use std::{
    io::{Read, Write},
    sync::Arc,
};

use tokio::time::Instant;

use super::rig::{Rig, address_of, connect, rest};
use crate::{
    policy::{Action, ListenerId},
    relay::outcome::Outcome,
    runtime::{
        Assignment,
        sample::{self, listener},
        status::{StatusLine, StatusView},
    },
    telemetry::Generation,
};

fn status_rig() -> (Rig, Assignment) {
    let mut rig = Rig::start(1);
    let socket = rig.serve("status");
    let mut status = listener("status");
    status.action = Action::Status;
    rig.commit(&sample::policy([status], []), [&socket]);
    (rig, socket)
}

fn ask(socket: &Assignment, request: &str) -> String {
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
        started: Instant::now(),
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
