//! `audit`: live sockets held against files, through the real binary and the real kernel.

mod random;
mod sight;
mod watch;

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    path::Path,
    process::Command,
};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::support::{
    Ended, Program,
    namespace::{in_namespace, run, veth},
    portcullis,
};

/// The lines that begin every file here. An admin socket is a row of its own.
const HEAD: &str = "portcullis: 1\nruntime: { admin: none }\nlisteners:\n";
const PRIVATE: &str = "{ private: { address: 10.9.0.5 } }";
const ANY: &str = "{ any: { families: [v4, v6] } }";
const ALLOW: &str = "    allow: { reason: the test asks for it }\n    limits: { connections: 100 }\n    timeouts: { idle: 5m }\n";

fn listener(name: &str, expose: &str, port: u16) -> String {
    let allow = if expose.contains("any") { ALLOW } else { "" };
    format!(
        "  {name}:\n    purpose: a test\n    expose: {expose}\n    port: {port}\n    serve: status\n{allow}"
    )
}

/// A network with two addresses, and a program in it that serves this.
fn serving(listeners: &[String]) -> Program {
    veth(&["10.9.0.5/24", "10.9.0.6/24", "fd00:9::5/64"]);
    Program::serving(&(HEAD.to_owned() + &listeners.concat()))
}

/// The program stands still with what it has, and its file says something else.
fn declare_instead(program: &Program, listeners: &[String]) {
    program.signal("STOP");
    program.file.replace(&(HEAD.to_owned() + &listeners.concat()));
}

fn audit(file: &Path, options: &[&str]) -> Ended {
    let mut command = portcullis();
    // Where the admin socket of the program is.
    command.env("RUNTIME_DIRECTORY", file.parent().unwrap());
    command.arg("audit").args(options).arg(file);
    Ended::of(command)
}

/// The exit code, and of each row its status, listener and first socket.
#[track_caller]
fn rows(file: &Path, options: &[&str]) -> (Option<i32>, Vec<String>) {
    let ended = audit(file, &[options, &["--format", "json"]].concat());
    let report: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
    assert_eq!(report["exit"], ended.code.unwrap());
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let row = |row: &Value| {
        let socket = text(&row["live"][0]["socket"]);
        format!("{} {} {socket}", text(&row["status"]), text(&row["listener"]))
    };
    (ended.code, report["rows"].as_array().unwrap().iter().map(row).collect())
}

/// A TCP socket that listens.
fn listening(address: &str, prepare: impl FnOnce(&Socket)) -> Socket {
    let address: SocketAddr = address.parse().unwrap();
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    prepare(&socket);
    socket.bind(&address.into()).unwrap();
    socket.listen(1).unwrap();
    socket
}

/// A socket that the next program gets along, as from a manager that passes it on.
fn passed_on(address: &str, only_v6: bool) -> Socket {
    listening(address, |socket| {
        socket.set_cloexec(false).unwrap();
        if address.starts_with('[') {
            socket.set_only_v6(only_v6).unwrap();
        }
    })
}

#[test]
fn a_declared_host_is_all_match() {
    in_namespace("audit::a_declared_host_is_all_match", || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let unix = format!("{{ unix: {{ path: {}, mode: \"0640\" }} }}", path.display());
        let unix = listener("path", &unix, 0).replace("    port: 0\n", "");
        let link = run("ip -6 -o addr show dev lo");
        assert!(link.contains("::1"), "{link}");
        let program = serving(&[
            listener("any", ANY, 8080),
            listener("local", "loopback", 8081),
            listener("mine", PRIVATE, 8082),
            listener("fan", PRIVATE, 8083) + "    fanout: 3\n",
            listener("face", "{ interface: { name: v0, v4: [private], v6: [private] } }", 8084),
            listener("loose", "{ private: { address: 10.9.0.6, pin: none } }", 8085),
            unix,
        ]);
        let ended = audit(program.file.path(), &["--host"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.out.ends_with("audit: 7 match; live is as declared\n"), "{ended:?}");
        for shown in
            ["10.9.0.5:8083 on v0 (3 sockets)", "[fd00:9::5]:8084 on v0", "a.sock mode 0640"]
        {
            assert!(ended.out.contains(shown), "{shown}: {}", ended.out);
        }
        assert_eq!(rows(program.file.path(), &["--host"]).0, Some(0));
    });
}

#[test]
fn what_no_file_declares_is_undeclared() {
    in_namespace("audit::what_no_file_declares_is_undeclared", || {
        let kept = passed_on("0.0.0.0:9000", true);
        let program = serving(&[listener("mine", PRIVATE, 8080)]);
        drop(kept);
        let (code, ours) = rows(program.file.path(), &[]);
        assert_eq!(code, Some(1));
        assert_eq!(ours, ["match mine 10.9.0.5:8080 on v0", "undeclared - 0.0.0.0:9000"]);
        // Others' sockets are none of its business, unless it is asked about the host.
        let _other = TcpListener::bind("[::1]:9001").unwrap();
        let _datagrams = std::net::UdpSocket::bind("127.0.0.1:9002").unwrap();
        assert_eq!(rows(program.file.path(), &[]).1, ours);
        let (code, all) = rows(program.file.path(), &["--host"]);
        assert_eq!(code, Some(1));
        assert_eq!(all[2..], ["undeclared - [::1]:9001", "undeclared - 127.0.0.1:9002"]);
    });
}

#[test]
fn a_socket_on_more_addresses_is_wider_and_a_flow_shows_it() {
    in_namespace("audit::a_socket_on_more_addresses_is_wider_and_a_flow_shows_it", || {
        let program = serving(&[listener("web", ANY, 8080)]);
        declare_instead(&program, &[listener("web", PRIVATE, 8080)]);
        let ended = audit(program.file.path(), &[]);
        assert_eq!(ended.code, Some(1));
        for line in [
            "    declared: 10.9.0.5:8080 on v0\n",
            "    wider: gained every IPv4 address over every interface: 8.8.8.8 → 192.0.2.1:8080, standing for every IPv4 address\n",
            "    wider: gained of this host now 127.0.0.1, 10.9.0.6\n",
        ] {
            assert!(ended.out.contains(line), "{line}: {}", ended.out);
        }
        // The other family has nothing to do with what is declared.
        let (_, found) = rows(program.file.path(), &[]);
        assert_eq!(found, ["wider web 0.0.0.0:8080", "undeclared - [::]:8080"]);
        // And the other way round it is narrower, or as good as declared.
        declare_instead(&program, &[listener("web", ANY, 8080), listener("more", ANY, 8081)]);
        assert_eq!(rows(program.file.path(), &[]).1, ["match web 0.0.0.0:8080", "missing more -"]);
    });
}

#[test]
fn less_than_declared_can_be_allowed() {
    in_namespace("audit::less_than_declared_can_be_allowed", || {
        let program = serving(&[listener("web", PRIVATE, 8080)]);
        declare_instead(&program, &[listener("web", "{ any: { families: [v4] } }", 8080)]);
        let (code, found) = rows(program.file.path(), &[]);
        assert_eq!((code, &*found[0]), (Some(1), "narrower web 10.9.0.5:8080 on v0"));
        assert_eq!(rows(program.file.path(), &["--allow-narrower"]).0, Some(0));
    });
}

#[test]
fn a_dual_stack_socket_is_told_from_one_of_ipv6_that_the_text_tables_show_alike() {
    in_namespace(
        "audit::a_dual_stack_socket_is_told_from_one_of_ipv6_that_the_text_tables_show_alike",
        || {
            let (alone, dual) = (passed_on("[::]:9000", true), passed_on("[::]:9001", false));
            let program = serving(&[listener("web", PRIVATE, 8080)]);
            drop((alone, dual));
            let any6 = "{ any: { families: [v6] } }";
            declare_instead(
                &program,
                &[
                    listener("alone", any6, 9000),
                    listener("dual", any6, 9001),
                    listener("web", PRIVATE, 8080),
                ],
            );
            let table = fs::read_to_string("/proc/self/net/tcp6").unwrap();
            let row = |port: &str| {
                let line = table.lines().find(|line| line.contains(port)).unwrap();
                let fields: Vec<_> = line.split_whitespace().collect();
                (fields[1].replace(port.trim_end(), ""), fields[2..9].concat(), fields[10..].len())
            };
            assert_eq!(row(":2328 "), row(":2329 "), "the tables show no difference");
            let (code, found) = rows(program.file.path(), &[]);
            assert_eq!(code, Some(1));
            assert_eq!(
                found,
                ["match web 10.9.0.5:8080 on v0", "match alone [::]:9000", "wider dual *:9001"]
            );
        },
    );
}

#[test]
fn a_port_that_another_process_has_is_foreign_and_one_that_nobody_has_is_missing() {
    in_namespace(
        "audit::a_port_that_another_process_has_is_foreign_and_one_that_nobody_has_is_missing",
        || {
            let program = serving(&[listener("web", PRIVATE, 8080)]);
            let other = listening("10.9.0.5:8081", |socket| {
                socket.bind_device(Some(b"v0")).unwrap();
            });
            let all =
                [8080, 8081, 8082].map(|port| listener(&format!("web-{port}"), PRIVATE, port));
            declare_instead(&program, &all);
            let (code, found) = rows(program.file.path(), &[]);
            assert_eq!(code, Some(1));
            assert_eq!(
                found,
                [
                    "match web-8080 10.9.0.5:8080 on v0",
                    "foreign web-8081 10.9.0.5:8081 on v0",
                    "missing web-8082 -",
                ]
            );
            let said = audit(program.file.path(), &[]).out;
            let held = format!("is held by {}", own_name());
            assert!(said.contains(&held), "{held}: {said}");
            drop(other);
            // The same file under another path is the same; a copy of it is another file.
            let link = program.file.beside("link.yaml");
            std::os::unix::fs::symlink(program.file.path(), &link).unwrap();
            assert_eq!(rows(&link, &[]).1[0], "match web-8080 10.9.0.5:8080 on v0");
            let copy = program.file.beside("copy.yaml");
            fs::copy(program.file.path(), &copy).unwrap();
            assert_eq!(rows(&copy, &[]).1[0], "foreign web-8080 10.9.0.5:8080 on v0");
        },
    );
}

/// The name by which the kernel has this process, and its id.
fn own_name() -> String {
    let name = fs::read_to_string("/proc/self/comm").unwrap();
    format!("{} (pid {}", name.trim_end(), std::process::id())
}

#[test]
fn a_group_that_another_has_joined_is_shadowed() {
    in_namespace("audit::a_group_that_another_has_joined_is_shadowed", || {
        let program = serving(&[listener("web", PRIVATE, 8080) + "    fanout: 2\n"]);
        let _joined = listening("10.9.0.5:8080", |socket| {
            socket.set_reuse_address(true).unwrap();
            socket.set_reuse_port(true).unwrap();
            socket.bind_device(Some(b"v0")).unwrap();
        });
        let (code, found) = rows(program.file.path(), &[]);
        assert_eq!((code, &*found[0]), (Some(1), "shadowed web 10.9.0.5:8080 on v0"));
    });
}

#[test]
fn a_path_is_judged_by_its_mode_and_by_who_listens_there() {
    in_namespace("audit::a_path_is_judged_by_its_mode_and_by_who_listens_there", || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let unix = format!("{{ unix: {{ path: {}, mode: \"0600\" }} }}", path.display());
        let program = serving(&[listener("web", &unix, 0).replace("    port: 0\n", "")]);
        let status = || rows(program.file.path(), &[]).1[0].split(' ').next().unwrap().to_owned();
        assert_eq!(status(), "match");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(status(), "wider");
        let said = audit(program.file.path(), &[]).out;
        assert!(said.contains("wider: its mode is 0666, and 0600 is declared"), "{said}");
        fs::remove_file(&path).unwrap();
        assert_eq!(status(), "missing");
        let _other = UnixListener::bind(&path).unwrap();
        assert_eq!(status(), "foreign");
        // What the program still listens on has no declared name any more.
        assert_eq!(rows(program.file.path(), &[]).1.len(), 2);
    });
}

#[test]
fn the_admin_socket_is_judged_as_a_declared_path() {
    in_namespace("audit::the_admin_socket_is_judged_as_a_declared_path", || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let named = format!("{{ unix: {}, mode: \"0660\" }}", path.display());
        for admin in ["", &format!("runtime: {{ admin: {named} }}\n")] {
            let text =
                format!("portcullis: 1\n{admin}listeners:\n{}", listener("web", "loopback", 8080));
            let program = Program::serving(&text);
            let (code, found) = rows(program.file.path(), &["--host"]);
            let is_there = |row: &String| row.starts_with("match runtime.admin unix:");
            assert!(code == Some(0) && found.iter().any(is_there), "{found:?}");
        }
        let text = HEAD.to_owned() + &listener("web", "loopback", 8080);
        let program = Program::serving(&text.replace("none", &named));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let (code, found) = rows(program.file.path(), &[]);
        let is_wider = |row: &String| row.starts_with("wider runtime.admin unix:");
        assert!(code == Some(1) && found.iter().any(is_wider), "{found:?}");
    });
}

#[test]
fn a_process_on_another_network_is_not_taken_for_one_on_this() {
    in_namespace("audit::a_process_on_another_network_is_not_taken_for_one_on_this", || {
        let program = serving(&[listener("web", "{ loopback: { families: [v4] } }", 8080)]);
        let mut elsewhere = Command::new("unshare");
        elsewhere.args(["--net", env!("CARGO_BIN_EXE_portcullis"), "audit"]);
        elsewhere.arg(program.file.path());
        let ended = Ended::of(elsewhere);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.out.contains("missing: no process in sight runs "), "{ended:?}");
    });
}

#[test]
fn several_files_are_judged_as_one_host() {
    in_namespace("audit::several_files_are_judged_as_one_host", || {
        let one = serving(&[listener("web", PRIVATE, 8080)]);
        let two = Program::serving(&(HEAD.to_owned() + &listener("db", "loopback", 8081)));
        let mut command = portcullis();
        command.args(["audit", "--host"]).arg(one.file.path()).arg(two.file.path());
        let ended = Ended::of(command);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.out.contains("audit: 2 match;"), "{ended:?}");
        assert_eq!(rows(one.file.path(), &["--host"]).0, Some(1));
    });
}

#[test]
fn a_host_that_lets_loopback_addresses_in_and_a_permission_that_ended_are_told() {
    in_namespace(
        "audit::a_host_that_lets_loopback_addresses_in_and_a_permission_that_ended_are_told",
        || {
            let passed = passed_on("127.0.0.1:9000", true);
            let allow = "allow: { reason: a test, expires: 2099-12-31 }";
            let any = listener("web", "{ any: { families: [v4] } }", 8080);
            let any = any.replace("allow: { reason: the test asks for it }", allow);
            let program = serving(std::slice::from_ref(&any));
            drop(passed);
            let loopback = listener("local", "{ loopback: { families: [v4] } }", 9000);
            declare_instead(&program, &[any, loopback]);
            fs::write("/proc/sys/net/ipv4/conf/v0/route_localnet", "1").unwrap();
            let said = audit(program.file.path(), &[]).out;
            assert!(said.contains("exposed-by-host: 127.0.0.1 is let in over v0: "), "{said}");
            assert_eq!(
                rows(program.file.path(), &["--now", "2100-01-01"]).1,
                ["lapsed web 0.0.0.0:8080", "wider local 127.0.0.1:9000"]
            );
        },
    );
}
