//! The service manager: what it hears, what it keeps, and what it passes on. It is played by the
//! test, by the rules of systemd.

mod hung;
mod killed;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use crate::support::{
    Ended, Program, ServiceFile, eventually,
    http::get,
    namespace::{in_namespace, veth},
    one_listener, sockets,
    systemd::{ServiceManager, inode},
};

const ADDRESS: &str = "10.9.0.5:8080";

fn on_subnet(port: u16) -> String {
    let expose = "expose: { private: { subnet: 10.9.0.0/24 } }";
    one_listener(&[expose, "purpose: a test", &format!("port: {port}"), "serve: status"])
}

fn address() -> SocketAddr {
    ADDRESS.parse().unwrap()
}

/// A client that has connected and asked, and waits.
fn asking(at: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(at).unwrap();
    client.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").unwrap();
    client
}

#[track_caller]
fn is_answered(mut client: TcpStream) {
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("ok\n"), "{answer:?}");
}

#[test]
fn it_is_told_when_the_service_serves_reloads_and_stops() {
    let test = "systemd::it_is_told_when_the_service_serves_reloads_and_stops";
    in_namespace(test, || {
        veth(&["10.9.0.5/24"]);
        let manager = ServiceManager::new();
        let mut program = manager.serving(ServiceFile::new(&on_subnet(8080)));
        let ready = manager.hears("READY=1");
        assert_eq!(ready, "READY=1\nSTATUS=generation 1, listeners 1, sockets 1");

        program.reload(&on_subnet(8081));
        let reloading = manager.hears("RELOADING=1");
        let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(since.parse::<u64>().unwrap() > 0);
        let ready = manager.hears("READY=1");
        assert_eq!(ready, "READY=1\nSTATUS=generation 2, listeners 1, sockets 1");

        // Who asked for a look gets an end of it, whatever it brought.
        program.signal("HUP");
        manager.hears("RELOADING=1");
        manager.hears("READY=1");
        program.refuse(&(on_subnet(8080) + "nonsense: 1\n"));
        manager.hears("RELOADING=1");
        let ready = manager.hears("READY=1");
        assert!(ready.ends_with("; the change of the file is not in force, findings 1"), "{ready}");

        program.stop();
        manager.hears("STOPPING=1");
    });
}

#[test]
fn it_gets_a_sign_of_life_as_long_as_every_worker_lives() {
    let mut manager = ServiceManager::new();
    manager.watchdog = Some(Duration::from_millis(200));
    let text = "portcullis: 1\nlisteners:\n  web:\n    expose: loopback\n    port: 0\n    serve: status\n    purpose: a test\n";
    let program = manager.serving(ServiceFile::new(text));
    manager.hears("READY=1");
    for _ in 0..3 {
        manager.hears("WATCHDOG=1");
    }
    // Draining takes its time, in which nothing is wrong either.
    let _session = TcpStream::connect(program.address("web")).unwrap();
    get(program.address("web"), "/");
    program.signal("TERM");
    manager.hears("STOPPING=1");
    manager.hears("WATCHDOG=1");
}

#[test]
fn a_killed_process_leaves_its_port_and_its_queue_to_the_next() {
    let test = "systemd::a_killed_process_leaves_its_port_and_its_queue_to_the_next";
    in_namespace(test, || {
        veth(&["10.9.0.5/24"]);
        let manager = ServiceManager::new();
        let mut program = manager.serving(ServiceFile::new(&on_subnet(8080)));
        let before = sockets::on(program.pid(), address());
        eventually("it is kept", || manager.store().len() == 1);
        program.kill();
        let waiting: Vec<_> = (0..20).map(|_| asking(address())).collect();

        let program = manager.serving(ServiceFile::new(&on_subnet(8080)));
        waiting.into_iter().for_each(is_answered);
        assert_eq!(get(address(), "/healthz").1, "ok\n");
        assert_eq!(sockets::on(program.pid(), address()), before, "it is the same socket");
        assert_eq!(manager.store().into_values().flatten().collect::<Vec<_>>().len(), 1);
    });
}

#[test]
fn a_restart_keeps_the_port_and_nobody_is_refused_meanwhile() {
    let test = "systemd::a_restart_keeps_the_port_and_nobody_is_refused_meanwhile";
    in_namespace(test, || {
        veth(&["10.9.0.5/24"]);
        let manager = ServiceManager::new();
        let mut program = manager.serving(ServiceFile::new(&on_subnet(8080)));
        eventually("it is kept", || manager.store().len() == 1);
        for _ in 0..3 {
            program.stop();
            let client = asking(address());
            program = manager.serving(ServiceFile::new(&on_subnet(8080)));
            is_answered(client);
        }
    });
}

#[test]
fn every_socket_of_a_fan_out_is_kept() {
    let test = "systemd::every_socket_of_a_fan_out_is_kept";
    in_namespace(test, || {
        veth(&["10.9.0.5/24"]);
        let manager = ServiceManager::new();
        let text = on_subnet(8080).replace("serve: status", "fanout: 3\n    serve: status");
        let mut program = manager.serving(ServiceFile::new(&text));
        let before = sockets::on(program.pid(), address());
        let kept = || manager.store().into_values().flatten().collect::<Vec<_>>();
        eventually("they are kept", || kept().len() == 3);
        program.kill();
        let waiting: Vec<_> = (0..30).map(|_| asking(address())).collect();
        let program = manager.serving(ServiceFile::new(&text));
        waiting.into_iter().for_each(is_answered);
        assert_eq!(sockets::on(program.pid(), address()), before);
    });
}

#[test]
fn a_socket_that_the_file_has_no_more_is_let_go() {
    let test = "systemd::a_socket_that_the_file_has_no_more_is_let_go";
    in_namespace(test, || {
        veth(&["10.9.0.5/24"]);
        let manager = ServiceManager::new();
        let mut program = manager.serving(ServiceFile::new(&on_subnet(8080)));
        let kept = |program: &Program, port: u16| {
            let at = SocketAddr::new(address().ip(), port);
            let ours: Vec<_> = sockets::on(program.pid(), at).into_iter().collect();
            let kept: Vec<_> = manager.store().into_values().flatten().collect();
            !ours.is_empty() && ours == kept
        };
        eventually("the first is kept", || kept(&program, 8080));
        program.reload(&on_subnet(8081));
        eventually("the second, and no other", || kept(&program, 8081));
        // The file may also change between two processes.
        program.kill();
        let program = manager.serving(ServiceFile::new(&on_subnet(8082)));
        eventually("the third, and no other", || kept(&program, 8082));
        assert!(TcpStream::connect("10.9.0.5:8081").is_err());
    });
}

#[test]
fn what_is_passed_and_not_mentioned_is_closed_and_said() {
    let test = "systemd::what_is_passed_and_not_mentioned_is_closed_and_said";
    in_namespace(test, || {
        veth(&["10.9.0.5/24"]);
        let mut manager = ServiceManager::new();
        let foreign = TcpListener::bind("10.9.0.5:9000").unwrap();
        manager.sockets.push(("stranger".to_owned(), foreign.into()));
        let dual = TcpListener::bind("[::]:9001").unwrap();
        manager.has_kept("pc.0", dual.into());
        let program = manager.serving(ServiceFile::new(&on_subnet(8080)));
        program.said("name=stranger");
        program.said("it serves IPv6 and IPv4 at once (IPV6_V6ONLY is off)");
        assert_eq!(sockets::listening(program.pid()).len(), 1);
        eventually("the store has no useless one", || !manager.store().contains_key("pc.0"));
        assert!(inode(&manager.sockets[0].1) > 0, "its owner still has it");
    });
}

#[test]
fn descriptors_that_are_meant_for_another_process_are_left_alone() {
    let mut command = crate::support::portcullis();
    // The number of a process that this cannot be.
    command.env("LISTEN_PID", "1").env("LISTEN_FDS", "7").env("LISTEN_FDNAMES", "x");
    let text = "portcullis: 1\nlisteners:\n  web:\n    expose: loopback\n    port: 0\n    serve: status\n    purpose: a test\n";
    let program = Program::serving_by(command, ServiceFile::new(text));
    assert!(!program.errors().contains("passed"), "{}", program.errors());
}

#[test]
fn a_start_over_descriptors_that_are_not_there_is_refused() {
    let mut command = ServiceManager::new().command();
    command.env("LISTEN_FDS", "900");
    let mut program = Program::started_by(command, ServiceFile::new(&on_subnet(8080)));
    assert_eq!(program.ended().code(), Some(4));
    program.said("cannot take what the service manager gives");
}

/// A listener on a socket that is passed in as `https`.
fn passed_as(expose: &str, port: u16) -> String {
    let expose = format!("expose: {{ inherited: {{ name: https, as: {expose} }} }}");
    one_listener(&[&expose, "purpose: a test", &format!("port: {port}"), "serve: status"])
}

/// A socket as a socket unit makes it.
fn unit_socket(address: &str, device: Option<&str>, only_v6: bool) -> OwnedFd {
    let address: SocketAddr = address.parse().unwrap();
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    if address.is_ipv6() {
        socket.set_only_v6(only_v6).unwrap();
    }
    socket.bind_device(device.map(str::as_bytes)).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.listen(16).unwrap();
    socket.into()
}

/// A start that is refused, to its end.
fn refused(manager: &ServiceManager, text: &str) -> String {
    let file = ServiceFile::new(text).serving();
    let mut command = manager.command();
    command.arg("run").arg(file.path());
    let ended = Ended::of(command);
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{}", ended.err);
    assert!(ended.err.contains("error[PC0506]"), "{}", ended.err);
    ended.err
}

#[test]
fn a_privileged_port_is_served_on_a_socket_that_is_passed_in() {
    let test = "systemd::a_privileged_port_is_served_on_a_socket_that_is_passed_in";
    in_namespace(test, || {
        veth(&["10.9.0.5/24"]);
        let mut manager = ServiceManager::new();
        let socket = unit_socket("10.9.0.5:443", Some("v0"), false);
        let identity = inode(&socket);
        manager.sockets.push(("https".to_owned(), socket));
        let text = passed_as("{ private: { subnet: 10.9.0.0/24 } }", 443);
        let at = "10.9.0.5:443".parse().unwrap();
        let mut program = manager.serving(ServiceFile::new(&text));
        assert_eq!(sockets::on(program.pid(), at), [identity].into());
        assert_eq!(get(at, "/healthz").1, "ok\n");
        // A reload keeps it, and cannot conjure up another.
        let more =
            text.clone() + on_subnet(8080).strip_prefix("portcullis: 1\nlisteners:\n").unwrap();
        program.reload(&more.replacen("  web:", "  other:", 1));
        assert_eq!(sockets::on(program.pid(), at), [identity].into());
        program.refuse(&text.replace("https", "http"));
        program.said("no socket `http` was passed in for `web`");
        program.said("this process was started with `https`");
        // Its unit has it, so it is not stored a second time.
        eventually("the other is kept", || manager.store().len() == 1);
        program.kill();
        let client = asking(at);
        let _program = manager.serving(ServiceFile::new(&text));
        is_answered(client);
    });
}

#[test]
fn loopback_of_both_families_is_two_sockets_of_one_name() {
    let test = "systemd::loopback_of_both_families_is_two_sockets_of_one_name";
    in_namespace(test, || {
        let mut manager = ServiceManager::new();
        for address in ["127.0.0.1:80", "[::1]:80"] {
            let socket = unit_socket(address, Some("lo"), true);
            manager.sockets.push(("https".to_owned(), socket));
        }
        let _program = manager.serving(ServiceFile::new(&passed_as("loopback", 80)));
        for at in ["127.0.0.1:80", "[::1]:80"] {
            assert_eq!(get(at.parse().unwrap(), "/healthz").1, "ok\n");
        }
        manager.sockets.pop();
        let said = refused(&manager, &passed_as("loopback", 80));
        assert!(
            said.contains("only a part of what `as` asks for: [::1]:80 on lo is missing"),
            "{said}"
        );
    });
}

#[test]
fn a_passed_socket_that_is_not_what_the_file_says_refuses_the_start() {
    let test = "systemd::a_passed_socket_that_is_not_what_the_file_says_refuses_the_start";
    in_namespace(test, || {
        veth(&["10.9.0.5/24"]);
        let pinned = passed_as("{ private: { subnet: 10.9.0.0/24 } }", 443);
        let table = [
            (
                unit_socket("10.9.0.5:443", None, false),
                "the socket `https` is 10.9.0.5:443, and `as` asks for 10.9.0.5:443 on v0",
                "write `BindToDevice=v0` in the socket unit, or `pin: none` here",
            ),
            (
                unit_socket("0.0.0.0:444", None, false),
                "the socket `https` is 0.0.0.0:444, and `as` asks for 10.9.0.5:443 on v0",
                "let `ListenStream=` of the socket unit and `as` say the same",
            ),
            (
                unit_socket("[::]:445", None, false),
                "the socket `https` cannot be served: it serves IPv6 and IPv4 at once",
                "`BindIPv6Only=ipv6-only`",
            ),
            (
                std::net::UdpSocket::bind("10.9.0.5:443").unwrap().into(),
                "the socket `https` cannot be served: it is not a stream socket that listens",
                "`ListenStream=`",
            ),
        ];
        for (socket, what, cure) in table {
            let mut manager = ServiceManager::new();
            manager.sockets.push(("https".to_owned(), socket));
            let said = refused(&manager, &pinned);
            assert!(said.contains(what) && said.contains(cure), "{said}");
        }
        let said = refused(&ServiceManager::new(), &pinned);
        assert!(said.contains("this process was started with no socket"), "{said}");
    });
}

#[test]
fn a_check_without_the_socket_says_that_only_the_host_can_answer() {
    let file = ServiceFile::new(&passed_as("loopback", 443)).serving();
    let mut command = crate::support::portcullis();
    command.arg("check").arg(file.path());
    let checked = Ended::of(command);
    let question = "web: whether the socket `https` is what `as` says (PC0506)";
    assert!(checked.code == Some(0) && checked.out.contains(question), "{checked:?}");
}

#[test]
fn a_process_that_takes_over_says_so_and_the_one_before_is_silent() {
    let test = "systemd::a_process_that_takes_over_says_so_and_the_one_before_is_silent";
    in_namespace(test, || {
        veth(&["10.9.0.5/24"]);
        let mut manager = ServiceManager::new();
        manager.watchdog = Some(Duration::from_millis(200));
        let socket = unit_socket("10.9.0.5:443", None, false);
        manager.sockets.push(("https".to_owned(), socket));
        let passed = passed_as("{ private: { address: 10.9.0.5, pin: none } }", 443);
        let own = on_subnet(8080).replacen("  web:", "  own:", 1);
        let text = passed + own.strip_prefix("portcullis: 1\nlisteners:\n").unwrap();
        let mut program = manager.serving(ServiceFile::new(&text));
        eventually("its own socket is kept", || manager.store().len() == 1);
        let kept = manager.store();
        program.upgrade();
        let ready = manager.hears(&format!("MAINPID={}", program.pid()));
        assert!(ready.contains("\nREADY=1\n"), "{ready}");
        assert_eq!(program.ended().code(), Some(0), "the old one");
        manager.hears("WATCHDOG=1");
        assert_eq!(manager.store(), kept);
        assert!(!manager.has_heard("STOPPING=1"));
        for at in ["10.9.0.5:443", "10.9.0.5:8080"] {
            assert_eq!(get(at.parse().unwrap(), "/healthz").1, "ok\n");
        }
        // What a new one does not want is let go, though another has asked to keep it.
        program.file.replace(&text.replace("8080", "8081"));
        program.upgrade();
        eventually("the first is let go", || manager.store().len() == 1 && manager.store() != kept);
    });
}
