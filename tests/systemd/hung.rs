//! A worker that hangs while others serve: nobody outside would notice, and so the service manager
//! has to hear of it.

use std::{net::TcpStream, time::Duration};

use super::{address, asking, is_answered, on_subnet};
use crate::support::{
    ServiceFile, eventually,
    namespace::{in_namespace, veth},
    systemd::ServiceManager,
    trace::Hung,
};

/// More than it takes until a worker of a busy machine answers.
const BEARS: Duration = Duration::from_secs(2);

/// So many that the kernel chooses the socket of each worker for some.
const CLIENTS: usize = 32;

/// Two workers, each with a socket of its own.
fn file() -> ServiceFile {
    let text = on_subnet(8080).replace("serve: status", "fanout: 2\n    serve: status");
    ServiceFile::new(&(text + "runtime: { workers: 2 }\n"))
}

fn manager() -> ServiceManager {
    let mut manager = ServiceManager::new();
    manager.watchdog = Some(BEARS);
    manager
}

/// Those whose answer has not begun.
fn waiting(clients: &[TcpStream]) -> usize {
    let waits = |client: &&TcpStream| {
        client.set_nonblocking(true).unwrap();
        let begun = client.peek(&mut [0]).is_ok();
        client.set_nonblocking(false).unwrap();
        !begun
    };
    clients.iter().filter(waits).count()
}

#[test]
fn the_signs_of_life_end_while_a_worker_hangs_though_another_serves() {
    let test = "systemd::hung::the_signs_of_life_end_while_a_worker_hangs_though_another_serves";
    in_namespace(test, || {
        veth(&["10.9.0.5/24"]);
        let manager = manager();
        let program = manager.serving(file());
        manager.hears("WATCHDOG=1");
        let hung = Hung::worker(&program);
        let clients: Vec<_> = (0..CLIENTS).map(|_| asking(address())).collect();
        eventually("the other worker serves", || waiting(&clients) < CLIENTS);
        manager.loses_patience();
        assert!(waiting(&clients) > 0, "nobody serves those of the worker that hangs");
        // It was nothing but this worker: with it the signs come back.
        manager.forgets();
        drop(hung);
        manager.hears("WATCHDOG=1");
        clients.into_iter().for_each(is_answered);
    });
}

#[test]
fn whoever_waits_for_a_worker_that_hangs_is_served_by_the_process_that_takes_its_place() {
    let test = "systemd::hung::whoever_waits_for_a_worker_that_hangs_is_served_by_the_process_that_takes_its_place";
    in_namespace(test, || {
        veth(&["10.9.0.5/24"]);
        let manager = manager();
        let mut program = manager.serving(file());
        let kept = || manager.store().into_values().flatten().count();
        eventually("both sockets are kept", || kept() == 2);
        manager.hears("WATCHDOG=1");
        let hung = Hung::worker(&program);
        let clients: Vec<_> = (0..CLIENTS).map(|_| asking(address())).collect();
        manager.loses_patience();
        // What a service manager does then.
        program.signal("KILL");
        // A thread that is traced is gone only when its tracer knows.
        drop(hung);
        program.kill();
        let _program = manager.serving(file());
        clients.into_iter().for_each(is_answered);
    });
}
