//! What needs a network of its own: each test runs itself again in a fresh network namespace.

use std::{fs, process::Command};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::*;

/// Set in the copy that runs in the namespace.
const INSIDE: &str = "PORTCULLIS_TEST_NAMESPACE";

/// Runs `body` in a network namespace in which this process is root and `lo` is up; `wrapper` runs
/// the copy.
pub(super) fn in_namespace(test: &str, wrapper: &[&str], body: impl FnOnce()) {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        run("ip link set lo up");
        return body();
    }
    let name = format!("runtime::bind::tests::{test}");
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net"])
        .args(wrapper)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(INSIDE, test)
        .output()
        .expect("these tests need `unshare` of util-linux");
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{wrong}");
}

pub(super) fn run(command: &str) {
    let mut words = command.split(' ');
    let status = Command::new(words.next().unwrap()).args(words).status().unwrap();
    assert!(status.success(), "{command}");
}

#[test]
fn an_absent_address_is_told_with_the_nearest_that_is_there() {
    in_namespace(
        "namespace::an_absent_address_is_told_with_the_nearest_that_is_there",
        &[],
        || {
            // Not on `lo`, where a prefix makes every address of it local.
            run("ip link add v0 type veth peer name v1");
            run("ip addr add 192.0.2.1/24 dev v0");
            run("ip addr add 10.9.0.5/24 dev v0");
            let error = refused(&bind_at("10.9.0.200:80"));
            assert_eq!(error.source.kind(), io::ErrorKind::AddrNotAvailable);
            let why = error.why();
            assert_eq!(why[0], "this host has 10.9.0.5/24 on v0");
            assert!(why.iter().any(|line| line == "this host has 192.0.2.1/24 on v0"), "{why:?}");
            assert!(why.last().unwrap().contains("may hide behind this error"), "{why:?}");
            assert!(error.help()[1].contains("when_absent: wait"), "{:?}", error.help());
        },
    );
}

#[test]
fn a_tentative_address_is_told_as_such() {
    in_namespace("namespace::a_tentative_address_is_told_as_such", &[], || {
        run("ip link add v0 type veth peer name v1");
        // Long enough for a test on a busy machine: each probe takes a second.
        fs::write("/proc/sys/net/ipv6/conf/v0/dad_transmits", "100").unwrap();
        run("ip link set v0 up");
        run("ip link set v1 up");
        run("ip addr add fd00:9::a/64 dev v0");
        let error = refused(&bind_at("[fd00:9::a]:80"));
        assert_eq!(*error.cause, Cause::Tentative { interface: "v0".into() });
    });
}

#[test]
fn a_privileged_port_without_the_privilege_is_told_with_every_cure() {
    let without = ["setpriv", "--bounding-set=-net_bind_service"];
    in_namespace(
        "namespace::a_privileged_port_without_the_privilege_is_told_with_every_cure",
        &without,
        || {
            let error = refused(&bind_at("127.0.0.1:80"));
            assert_eq!(error.source.kind(), io::ErrorKind::PermissionDenied);
            let why = error.why();
            assert!(why[0].ends_with("which is 1024"), "{why:?}");
            assert_eq!(why[1], "this process lacks CAP_NET_BIND_SERVICE");
            let help = error.help();
            assert!(help[0].contains("AmbientCapabilities=CAP_NET_BIND_SERVICE"), "{help:?}");
            assert!(help[1].contains("runtime: { user: portcullis }"), "{help:?}");
            assert!(help[2].contains("inherited"), "{help:?}");
            assert!(help[3].contains("net.ipv4.ip_unprivileged_port_start=80"), "{help:?}");
        },
    );
}

#[test]
fn a_full_descriptor_table_is_told_with_its_limit() {
    in_namespace("namespace::a_full_descriptor_table_is_told_with_its_limit", &[], || {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 3, hard).unwrap();
        let error = open(&bind_at("127.0.0.1:0"), Neighbour::None).unwrap_err();
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
        assert_eq!(*error.cause, Cause::Descriptors { limit: 3 });
    });
}

#[test]
fn an_exhausted_range_of_ports_is_told() {
    in_namespace("namespace::an_exhausted_range_of_ports_is_told", &[], || {
        fs::write("/proc/sys/net/ipv4/ip_local_port_range", "50000 50001").unwrap();
        let _held = (one(&bind_at("127.0.0.1:0")), one(&bind_at("127.0.0.1:0")));
        let error = refused(&bind_at("127.0.0.1:0"));
        assert_eq!(*error.cause, Cause::InUse(InUse::PortsExhausted { ephemeral: (50000, 50001) }));
    });
}

#[test]
fn sockets_of_both_families_and_of_two_interfaces_share_a_port() {
    in_namespace(
        "namespace::sockets_of_both_families_and_of_two_interfaces_share_a_port",
        &[],
        || {
            run("ip link add v0 type veth peer name v1");
            let v6 = one(&bind_at("[::]:0"));
            let port = address(&v6).port();
            let on = |device: &str| {
                let mut bind = bind_at(SocketAddr::from(([0, 0, 0, 0], port)));
                bind.key.device = Some(device.into());
                bind
            };
            let _first = one(&on("v0"));
            let _second = one(&on("v1"));
            let error = refused(&on("v0"));
            assert!(matches!(*error.cause, Cause::InUse(InUse::Own { .. })), "{error:?}");
            assert!(error.to_string().ends_with("on v0 for listener `web`"), "{error}");
        },
    );
}

#[test]
fn a_link_local_address_is_bound_on_the_interface_of_its_scope() {
    in_namespace(
        "namespace::a_link_local_address_is_bound_on_the_interface_of_its_scope",
        &[],
        || {
            run("ip link add v0 type veth peer name v1");
            run("ip link set v0 up");
            run("ip link set v1 up");
            run("ip addr add fe80::5/64 dev v0 nodad");
            let links = sys::netlink::links().unwrap();
            let index = |name: &str| links.iter().find(|link| link.name == name).unwrap().index;
            let on = |name| bind_at(format!("[fe80::5%{}]:4000", index(name)));
            let _socket = one(&on("v0"));
            assert!(matches!(*refused(&on("v0")).cause, Cause::InUse(InUse::Own { .. })));
            let error = refused(&on("v1"));
            assert_eq!(*error.cause, Cause::Unreachable { interface: "v0".into() });
        },
    );
}

#[test]
fn ipv6_connections_know_their_ingress() {
    in_namespace("namespace::ipv6_connections_know_their_ingress", &[], || {
        let socket = one(&bind_at("[::1]:0"));
        let _client = TcpStream::connect(address(&socket)).unwrap();
        let (connection, peer) = sys::socket::accept(socket.as_fd()).unwrap();
        assert!(peer.as_socket().unwrap().is_ipv6());
        assert_eq!(sys::socket::ingress_index(connection.as_fd()).unwrap(), Some(1));
    });
}
