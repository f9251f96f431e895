//! The host's addresses and interfaces change under the running program.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
};

use crate::support::{
    Program, eventually,
    http::get,
    namespace::{in_namespace, run, veth},
    one_listener, sockets,
};

fn on_interface(more: &str) -> String {
    let expose = "expose: { interface: { name: v0, v4: [private], v6: none } }";
    one_listener(&[expose, "purpose: a test", "port: 8080", "serve: status"]) + more
}

const WAIT: &str = "runtime: { when_absent: wait }\n";

#[track_caller]
fn serves(address: &str) {
    let at: SocketAddr = address.parse().unwrap();
    assert_eq!(get(at, "/healthz").1, "ok\n");
}

#[test]
fn an_interface_listener_follows_an_address_that_is_added() {
    in_namespace("addresses::an_interface_listener_follows_an_address_that_is_added", || {
        veth(&["10.9.0.5/24"]);
        let mut program = Program::serving(&on_interface(""));
        run("ip addr add 10.9.1.5/24 dev v0");
        assert_eq!(
            program.next_where("the new address", |line| line.ends_with("=10.9.1.5:8080")),
            "READY listener=web protocol=tcp address=10.9.1.5:8080"
        );
        serves("10.9.1.5:8080");
        serves("10.9.0.5:8080");
    });
}

#[test]
fn an_interface_that_is_made_anew_is_bound_anew() {
    in_namespace("addresses::an_interface_that_is_made_anew_is_bound_anew", || {
        veth(&["10.9.0.5/24"]);
        let _program = Program::serving(&on_interface(WAIT));
        serves("10.9.0.5:8080");
        run("ip link del v0");
        veth(&["10.9.0.5/24"]);
        eventually("it is served again", || {
            let at = "10.9.0.5:8080".parse().unwrap();
            crate::support::client::try_ask(at, "GET /healthz HTTP/1.0\r\n\r").is_ok()
        });
    });
}

#[test]
fn an_interface_that_gets_another_name_keeps_its_sockets() {
    in_namespace("addresses::an_interface_that_gets_another_name_keeps_its_sockets", || {
        veth(&["10.9.0.5/24", "10.9.0.6/24"]);
        let listener = |name: &str, expose: &str, port: u16| {
            format!(
                "  {name}:\n    purpose: a test\n    expose: {expose}\n    port: {port}\n    serve: status\n"
            )
        };
        let text = format!(
            "portcullis: 1\nlisteners:\n{}{}",
            listener("web", "{ private: { address: 10.9.0.5 } }", 8080),
            listener("named", "{ interface: { name: v0, v4: [private], v6: none } }", 8081),
        );
        let mut program = Program::serving(&text);
        let before = sockets::listening(program.pid());
        // Not every kernel renames one that is up.
        for change in ["down", "name v9", "up"] {
            let name = if change == "up" { "v9" } else { "v0" };
            run(&format!("ip link set {name} {change}"));
        }
        program.said("this host has no interface `v0`");
        assert_eq!(sockets::listening(program.pid()), before);
        assert_eq!(program.reload(&text.replace("v0", "v9")), 2);
        assert_eq!(sockets::listening(program.pid()), before, "they are the same ones");
        serves("10.9.0.5:8080");
        serves("10.9.0.6:8081");
        // Whoever comes after this process finds what it is looking for.
        program.upgrade();
        assert_eq!(sockets::listening(program.pid()), before);
    });
}

#[test]
fn an_address_that_goes_and_comes_back_is_served_again() {
    in_namespace("addresses::an_address_that_goes_and_comes_back_is_served_again", || {
        veth(&["10.9.0.5/24"]);
        let _program = Program::serving(&on_interface(WAIT));
        run("ip addr del 10.9.0.5/24 dev v0");
        run("ip addr add 10.9.0.5/24 dev v0");
        eventually("it is served again", || {
            let at = "10.9.0.5:8080".parse().unwrap();
            crate::support::client::try_ask(at, "GET /healthz HTTP/1.0\r\n\r").is_ok()
        });
    });
}

#[test]
fn a_port_in_use_does_not_keep_others_from_being_bound_and_is_said_once() {
    in_namespace(
        "addresses::a_port_in_use_does_not_keep_others_from_being_bound_and_is_said_once",
        || {
            veth(&[]);
            let holder = TcpListener::bind("0.0.0.0:8080").unwrap();
            let listener = |name: &str, subnet: &str, port: u16| {
                format!(
                    "  {name}:\n    purpose: a test\n    expose: {{ private: {{ subnet: {subnet} }} }}\n    port: {port}\n    serve: status\n"
                )
            };
            let listeners =
                listener("held", "10.9.0.0/24", 8080) + &listener("free", "10.9.1.0/24", 8081);
            let mut program =
                Program::serving(&format!("portcullis: 1\nlisteners:\n{listeners}{WAIT}"));
            run("ip addr add 10.9.0.5/24 dev v0");
            program.said("cannot bind 10.9.0.5:8080");
            run("ip addr add 10.9.1.5/24 dev v0");
            assert_eq!(
                program.next("READY"),
                "READY listener=free protocol=tcp address=10.9.1.5:8081"
            );
            assert_eq!(
                program.errors().matches("cannot bind 10.9.0.5:8080").count(),
                1,
                "it is said once"
            );
            drop(holder);
            assert_eq!(
                program.next("READY listener=held"),
                "READY listener=held protocol=tcp address=10.9.0.5:8080"
            );
        },
    );
}

#[test]
fn a_tentative_address_is_bound_when_it_has_been_found_unique() {
    in_namespace("addresses::a_tentative_address_is_bound_when_it_has_been_found_unique", || {
        veth(&["10.9.0.5/24"]);
        run("sysctl -qw net.ipv6.conf.v0.dad_transmits=2");
        let expose = "expose: { interface: { name: v0, v4: [private], v6: [private] } }";
        let text = one_listener(&[expose, "purpose: a test", "port: 8080", "serve: status"]);
        let mut program = Program::serving(&(text + WAIT));
        run("ip addr add fd00:9::5/64 dev v0");
        program.said("fd00:9::5 on v0 is tentative and is not bound");
        program.next_where("the new address", |line| line.ends_with("=[fd00:9::5]:8080"));
        serves("[fd00:9::5]:8080");
    });
}

#[test]
fn an_address_of_another_class_is_not_bound_and_the_status_page_says_so() {
    let test = "addresses::an_address_of_another_class_is_not_bound_and_the_status_page_says_so";
    in_namespace(test, || {
        veth(&["10.9.0.5/24"]);
        let program = Program::serving(&on_interface(""));
        run("ip addr add 198.51.99.10/24 dev v0");
        program.said("198.51.99.10 on v0 is public and is not bound");
        assert!(TcpStream::connect("198.51.99.10:8080").is_err());
        let (_, page) = get("10.9.0.5:8080".parse().unwrap(), "/");
        assert!(page.contains("left out: 198.51.99.10 on v0 is public and is not bound"), "{page}");
    });
}

#[test]
fn a_subnet_listener_follows_a_host_that_is_renumbered() {
    in_namespace("addresses::a_subnet_listener_follows_a_host_that_is_renumbered", || {
        veth(&["10.9.0.5/24"]);
        let expose = "expose: { private: { subnet: 10.9.0.0/24 } }";
        let text = one_listener(&[expose, "purpose: a test", "port: 8080", "serve: status"]);
        let mut program = Program::serving(&text);
        run("ip addr del 10.9.0.5/24 dev v0");
        program.said("the host has changed; what runs stays");
        run("ip addr add 10.9.0.77/24 dev v0");
        program.next_where("the new address", |line| line.ends_with("=10.9.0.77:8080"));
        program.said("no longer listening address=10.9.0.5:8080");
        serves("10.9.0.77:8080");
    });
}

#[test]
fn more_changes_than_the_kernel_tells_of_are_followed_all_the_same() {
    const MANY: usize = 250;
    let test = "addresses::more_changes_than_the_kernel_tells_of_are_followed_all_the_same";
    in_namespace(test, || {
        veth(&["10.9.0.5/24"]);
        let mut program = Program::serving(&on_interface(""));
        // It cannot read while it is stopped, and the kernel does not keep so many.
        program.signal("STOP");
        for _ in 0..4 {
            for change in ["add", "del"] {
                let lines = (0..MANY).map(|at| format!("addr {change} 10.9.1.{at}/32 dev v0\n"));
                let batch = program.file.beside("batch");
                fs::write(&batch, lines.collect::<String>()).unwrap();
                run(&format!("ip -batch {}", batch.display()));
            }
        }
        run("ip addr add 10.9.2.5/24 dev v0");
        let table = fs::read_to_string("/proc/self/net/netlink").unwrap();
        let drops = |line: &str| line.split_whitespace().nth(8).is_some_and(|drops| drops != "0");
        assert!(table.lines().skip(1).any(drops), "none is dropped: {table}");
        program.signal("CONT");
        program.next_where("the last address", |line| line.ends_with("=10.9.2.5:8080"));
        serves("10.9.2.5:8080");
    });
}
