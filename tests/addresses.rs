//! The host's addresses and interfaces change under the running program.

use std::net::{SocketAddr, TcpListener};

use crate::support::{
    Program, eventually,
    http::get,
    namespace::{in_namespace, run, veth},
    one_listener,
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
