//! The process is killed again and again while clients come without a pause.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
};

use super::{address, on_subnet};
use crate::support::{
    ServiceFile,
    client::bounded,
    eventually,
    load::Over,
    namespace::{in_namespace, veth},
    systemd::ServiceManager,
    wait::DEADLINE,
};

const CLIENTS: usize = 4;
const KILLS: usize = 10;

/// Clients that are to be served between one kill and the next.
const BETWEEN_KILLS: usize = 20;

#[test]
#[expect(clippy::print_stdout, reason = "how many clients there were is what it shows")]
fn nobody_is_refused_while_a_killed_process_is_started_again() {
    let test = "systemd::killed::nobody_is_refused_while_a_killed_process_is_started_again";
    in_namespace(test, || {
        veth(&["10.9.0.5/24"]);
        let manager = ServiceManager::new();
        let file = || ServiceFile::new(&on_subnet(8080));
        let mut program = manager.serving(file());
        eventually("its socket is kept", || manager.store().len() == 1);
        let (over, served, cut) =
            (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    while !over.load(SeqCst) {
                        // A panic here is the failure of the test: this one was refused.
                        let client = TcpStream::connect_timeout(&address(), DEADLINE).unwrap();
                        let count = if is_served(bounded(client)) { &served } else { &cut };
                        count.fetch_add(1, SeqCst);
                    }
                });
            }
            let _over = Over(&over);
            for _ in 0..KILLS {
                let wanted = served.load(SeqCst) + BETWEEN_KILLS;
                eventually("clients are served", || served.load(SeqCst) >= wanted);
                program.kill();
                program = manager.serving(file());
            }
        });
        let (served, cut) = (served.into_inner(), cut.into_inner());
        // Whom the process had taken in dies with it, and nobody else does.
        assert!(cut <= CLIENTS * KILLS, "of {served}: {cut}");
        println!("counted: {KILLS} kills, {served} served, {cut} cut off, none refused");
    });
}

/// Asks, and tells whether the answer is whole.
fn is_served(mut client: TcpStream) -> bool {
    let mut answer = String::new();
    let asked = client.write_all(b"GET /healthz HTTP/1.0\r\n\r\n");
    asked.and_then(|()| client.read_to_string(&mut answer)).is_ok() && answer.ends_with("ok\n")
}
