//! A socket of the program itself that is in the way of another. It shares its ports with itself, so
//! this takes a socket that it did not make: one that was kept, or passed in, by another user.

use std::os::unix::fs::chown;

use socket2::{Domain, Socket, Type};

use super::{at, lines_of};
use crate::support::{
    Ended, Program, ServiceFile, http::get, namespace::in_namespace_with_users, one_listener,
    systemd::ServiceManager,
};

/// Somebody else than root, who may nevertheless read what the test has made.
const USER: u32 = 1;
const AS_USER: &[&str] = &[
    "setpriv",
    "--reuid=1",
    "--regid=1",
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
];

const WHY: [&str; 4] = [
    "  = this process has a socket on 0.0.0.0:8080 itself",
    "  = 0.0.0.0:8080 covers 127.0.0.1:8080",
    "  = user root made it, and only sockets of one user share a port",
    "help: stop it and start it again; under systemd a restart keeps the socket",
];

fn file(expose: &str) -> ServiceFile {
    let file = ServiceFile::new(&text(expose));
    // What belongs to the process is kept there.
    chown(file.folder(), Some(USER), Some(USER)).unwrap();
    file
}

fn text(expose: &str) -> String {
    let allow = "allow: { reason: the test asks for it }";
    let limits = "limits: { connections: 1000 }\n    timeouts: { idle: 5m }";
    one_listener(&[&format!("expose: {expose}"), "port: 8080", "serve: status", allow, limits])
}

const WIDE: &str = "{ any: { families: [v4] } }";
const NARROW: &str = "{ loopback: { families: [v4] } }";

/// A service manager that has kept a socket since the service ran as root.
fn manager() -> ServiceManager {
    let mut manager = ServiceManager::new();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&"0.0.0.0:8080".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.listen(16).unwrap();
    manager.has_kept("pc.0", socket.into());
    manager.through = AS_USER;
    manager
}

#[test]
fn a_kept_socket_of_another_user_that_is_in_the_way_of_the_start_is_told_as_such() {
    in_namespace_with_users(
        "in_use::own::a_kept_socket_of_another_user_that_is_in_the_way_of_the_start_is_told_as_such",
        || {
            let (manager, file) = (manager(), file(NARROW));
            let mut command = manager.command();
            command.env("RUNTIME_DIRECTORY", file.folder()).arg("run").arg(file.path());
            let said = lines_of(&Ended::of(command));
            assert_eq!(said[0], super::WHAT);
            assert_eq!(said[1..], WHY);
        },
    );
}

#[test]
fn a_socket_of_another_user_that_is_in_the_way_of_a_change_is_told_and_goes_on_serving() {
    in_namespace_with_users(
        "in_use::own::a_socket_of_another_user_that_is_in_the_way_of_a_change_is_told_and_goes_on_serving",
        || {
            let manager = manager();
            let mut program: Program = manager.serving(file(WIDE));
            assert_eq!(program.refuse(&text(NARROW)), "REJECTED generation=1 findings=1");
            program.said(&format!("{}\n{}\n", super::WHAT, WHY.join("\n")));
            assert_eq!(get(at(), "/healthz").1, "ok\n");
        },
    );
}
