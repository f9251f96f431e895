//! Sockets as the kernel has them, and what is said when it refuses one.

mod lacking;

use std::{
    collections::BTreeSet,
    fs,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
};

use crate::support::{
    LOOPBACK, Program,
    client::refused,
    http::get,
    namespace::{in_namespace, run, veth},
    one_listener,
    program::portcullis_through,
    start::{refused_start, refused_start_by},
};

/// A listener at port 8080 with the status page.
fn exposed(expose: &str) -> String {
    one_listener(&[&format!("expose: {expose}"), "purpose: a test", "port: 8080", "serve: status"])
}

/// What `ss` says of the sockets that listen: one line each.
fn listening() -> Vec<String> {
    run("ss -tlnHe").lines().map(str::to_owned).collect()
}

#[test]
fn loopback_is_two_sockets_each_tied_to_lo() {
    in_namespace("bind::loopback_is_two_sockets_each_tied_to_lo", || {
        let _program = Program::serving(&exposed("loopback"));
        let lines = listening();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("127.0.0.1%lo:8080")), "{lines:?}");
        assert!(
            lines.iter().any(|line| line.contains("[::1]%lo:8080") && line.contains("v6only:1")),
            "{lines:?}"
        );
    });
}

#[test]
fn every_address_is_two_sockets_neither_of_which_takes_the_others_family() {
    in_namespace(
        "bind::every_address_is_two_sockets_neither_of_which_takes_the_others_family",
        || {
            let any = |families: &str| {
                exposed(&format!("{{ any: {{ families: [{families}] }} }}"))
                    + "    timeouts: { idle: 5m }\n    limits: { connections: 1000 }\n    allow: { reason: the test asks for it }\n"
            };
            let mut program = Program::serving(&any("v6"));
            assert!(listening()[0].contains("v6only:1"), "{:?}", listening());
            assert_eq!(get("[::1]:8080".parse().unwrap(), "/healthz").1, "ok\n");
            refused("127.0.0.1:8080".parse().unwrap());
            program.reload(&any("v4, v6"));
            assert_eq!(listening().len(), 2);
            assert_eq!(get("127.0.0.1:8080".parse().unwrap(), "/healthz").1, "ok\n");
        },
    );
}

#[test]
fn a_private_address_is_tied_to_its_interface_unless_asked_otherwise() {
    in_namespace("bind::a_private_address_is_tied_to_its_interface_unless_asked_otherwise", || {
        veth(&["10.9.0.5/24", "192.0.2.1/24"]);
        let program = Program::serving(&exposed("{ private: { subnet: 10.9.0.0/16 } }"));
        assert_eq!(program.bound()["web"], ["10.9.0.5:8080"]);
        assert!(listening()[0].contains("10.9.0.5%v0:8080"), "{:?}", listening());
        drop(program);
        let unpinned = exposed("{ private: { address: 10.9.0.5, pin: none } }");
        let _program = Program::serving(&unpinned);
        assert!(listening()[0].contains("10.9.0.5:8080"), "{:?}", listening());
    });
}

#[test]
fn an_interface_gives_its_addresses_of_the_classes_asked_for() {
    in_namespace("bind::an_interface_gives_its_addresses_of_the_classes_asked_for", || {
        veth(&["10.9.0.5/24", "10.9.1.5/24", "8.8.8.1/24", "fd00:9::5/64"]);
        let expose = "{ interface: { name: v0, v4: [private], v6: [private] } }";
        let program = Program::serving(&exposed(expose));
        let mut bound = program.bound()["web"].clone();
        bound.sort();
        assert_eq!(bound, ["10.9.0.5:8080", "10.9.1.5:8080", "[fd00:9::5]:8080"]);
    });
}

#[test]
fn every_descriptor_that_it_makes_is_closed_on_exec() {
    // Whatever runs the tests may have left descriptors to its children; those are no work of the
    // program.
    let inherited = kept_on_exec("self");
    let program = Program::serving(&one_listener(&[LOOPBACK, "serve: status"]));
    let own: BTreeSet<_> =
        kept_on_exec(&program.pid().to_string()).difference(&inherited).copied().collect();
    assert_eq!(own, BTreeSet::from([]), "beside 0, 1 and 2");
}

/// The descriptors above 2 that a process passes on.
fn kept_on_exec(process: &str) -> BTreeSet<u32> {
    const O_CLOEXEC: u32 = 0o2_000_000;
    let entries = fs::read_dir(format!("/proc/{process}/fdinfo")).unwrap();
    let kept = |path: PathBuf| {
        let number = path.file_name()?.to_str()?.parse().ok().filter(|number| *number > 2)?;
        // One that has been closed meanwhile has no information any more.
        let info = fs::read_to_string(&path).ok()?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
        (u32::from_str_radix(flags, 8).unwrap() & O_CLOEXEC == 0).then_some(number)
    };
    entries.filter_map(|entry| kept(entry.unwrap().path())).collect()
}

#[test]
fn a_port_in_use_is_told_with_who_has_it_and_nothing_is_served() {
    let two = format!(
        "{}  more:\n    {LOOPBACK}\n    serve: status\n",
        one_listener(&[LOOPBACK, "serve: status"])
    );
    let first = Program::serving(&two);
    let ports = ["web", "more"].map(|name| first.address(name).port());
    let fixed = |name, port| {
        format!(
            "  {name}:\n    expose: {{ loopback: {{ families: [v4] }} }}\n    port: {port}\n    serve: status\n"
        )
    };
    let free = format!("  free:\n    {LOOPBACK}\n    serve: status\n");
    let copy = format!(
        "portcullis: 1\nlisteners:\n{free}{}{}",
        fixed("web", ports[0]),
        fixed("more", ports[1])
    );
    let second = refused_start(&copy);
    assert_eq!(second.code, Some(4), "{second:?}");
    for (name, port) in ["web", "more"].into_iter().zip(ports) {
        let what = format!(
            "cannot bind 127.0.0.1:{port} on lo for listener `{name}`: Address already in use"
        );
        assert!(second.err.contains(&what), "{what}\n{}", second.err);
        let who = format!("127.0.0.1:{port} is held by portcullis (pid {}", first.pid());
        assert!(second.err.contains(&who), "{who}\n{}", second.err);
    }
    assert_eq!(get(first.address("web"), "/healthz").1, "ok\n", "the first is not touched");
}

#[test]
fn a_wider_socket_of_another_program_is_said_to_cover_the_address() {
    in_namespace("bind::a_wider_socket_of_another_program_is_said_to_cover_the_address", || {
        let _holder = TcpListener::bind("0.0.0.0:8080").unwrap();
        let ended = refused_start(&exposed("{ loopback: { families: [v4] } }"));
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert!(ended.err.contains("0.0.0.0:8080 covers 127.0.0.1:8080"), "{}", ended.err);
        assert!(ended.err.contains(&format!("(pid {}", std::process::id())), "{}", ended.err);
    });
}

#[test]
fn a_privileged_port_is_told_with_the_privilege_it_takes() {
    in_namespace("bind::a_privileged_port_is_told_with_the_privilege_it_takes", || {
        let file = exposed("loopback").replace("port: 8080", "port: 80");
        let without = portcullis_through(&["setpriv", "--bounding-set=-net_bind_service"]);
        let ended = refused_start_by(without, &file);
        assert_eq!(ended.code, Some(4), "{ended:?}");
        for words in
            ["Permission denied", "CAP_NET_BIND_SERVICE", "net.ipv4.ip_unprivileged_port_start=80"]
        {
            assert!(ended.err.contains(words), "{words}\n{}", ended.err);
        }
        let _program = Program::serving(&file);
        assert_eq!(get(SocketAddr::from(([127, 0, 0, 1], 80)), "/healthz").1, "ok\n");
    });
}

#[test]
fn an_address_the_host_lacks_is_told_with_those_it_has() {
    in_namespace("bind::an_address_the_host_lacks_is_told_with_those_it_has", || {
        veth(&["10.9.0.5/24"]);
        let ended = refused_start(&exposed("{ private: { address: 10.9.0.200 } }"));
        assert!(matches!(ended.code, Some(1 | 4)), "{ended:?}");
        for words in ["10.9.0.200", "10.9.0.5", "v0", "when_absent: wait"] {
            assert!(ended.err.contains(words), "{words}\n{}", ended.err);
        }
    });
}

#[test]
fn an_interface_the_host_lacks_is_told_with_those_it_has() {
    in_namespace("bind::an_interface_the_host_lacks_is_told_with_those_it_has", || {
        veth(&[]);
        let ended =
            refused_start(&exposed("{ interface: { name: wg0, v4: [private], v6: none } }"));
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.err.contains("interface `wg0`, which this host lacks"), "{}", ended.err);
        assert!(ended.err.contains("v0"), "{}", ended.err);
    });
}

#[test]
fn a_subnet_with_no_address_or_with_two_is_refused_with_a_list() {
    in_namespace("bind::a_subnet_with_no_address_or_with_two_is_refused_with_a_list", || {
        veth(&["10.9.0.5/24", "10.9.1.5/24"]);
        let none = refused_start(&exposed("{ private: { subnet: 10.8.0.0/16 } }"));
        let two = refused_start(&exposed("{ private: { subnet: 10.9.0.0/16 } }"));
        for ended in [none, two] {
            assert_eq!(ended.code, Some(1), "{ended:?}");
            for address in ["10.9.0.5", "10.9.1.5"] {
                assert!(ended.err.contains(address), "{}", ended.err);
            }
        }
        let _one = Program::serving(&exposed("{ private: { subnet: 10.9.1.0/24 } }"));
    });
}

#[test]
fn a_link_local_address_needs_its_zone() {
    in_namespace("bind::a_link_local_address_needs_its_zone", || {
        veth(&["fe80::9/64"]);
        let ended = refused_start(&exposed("{ link: { address: \"fe80::9\" } }"));
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.err.contains("PC0210"), "{}", ended.err);
        let program = Program::serving(&exposed("{ link: { address: \"fe80::9%v0\" } }"));
        assert_eq!(program.bound()["web"].len(), 1);
        assert!(listening()[0].contains("[fe80::9]%v0:8080"), "{:?}", listening());
    });
}

#[test]
fn an_address_that_may_come_is_waited_for_and_bound_when_it_does() {
    in_namespace("bind::an_address_that_may_come_is_waited_for_and_bound_when_it_does", || {
        veth(&[]);
        let file =
            exposed("{ private: { subnet: 10.9.0.0/16 } }") + "runtime: { when_absent: wait }\n";
        let mut program = Program::serving(&file);
        assert!(program.bound().is_empty());
        program.said("waiting to be bound");
        run("ip addr add 10.9.0.5/24 dev v0");
        assert_eq!(program.next("READY"), "READY listener=web protocol=tcp address=10.9.0.5:8080");
        assert_eq!(get("10.9.0.5:8080".parse().unwrap(), "/healthz").1, "ok\n");
    });
}

#[test]
fn an_address_written_out_is_waited_for_as_well() {
    in_namespace("bind::an_address_written_out_is_waited_for_as_well", || {
        veth(&[]);
        let file =
            exposed("{ private: { address: 10.9.0.5 } }") + "runtime: { when_absent: wait }\n";
        let mut program = Program::serving(&file);
        run("ip addr add 10.9.0.5/24 dev v0");
        assert_eq!(program.next("READY"), "READY listener=web protocol=tcp address=10.9.0.5:8080");
    });
}
