//! What could not be seen, what must not be believed, and the first file for a host.

use std::{fs, net::TcpListener, process::Command};

use super::{HEAD, PRIVATE, audit, listener, rows, serving};
use crate::support::{
    Ended, ServiceFile,
    namespace::{in_namespace, veth},
    portcullis,
};

/// A name that moves the cursor, ends a line, and closes a quotation.
const HOSTILE: &str = "\"\n\u{1b}[2Jok: #";

#[test]
fn what_could_not_be_seen_is_unknown_unless_that_will_do() {
    in_namespace("audit::sight::what_could_not_be_seen_is_unknown_unless_that_will_do", || {
        let program = serving(&[listener("web", PRIVATE, 8080)]);
        // In a process namespace of its own it sees sockets and none of the processes.
        let blind = |options: &[&str]| {
            let mut command = Command::new("unshare");
            command.args(["--pid", "--fork", "--mount-proc", env!("CARGO_BIN_EXE_portcullis")]);
            command.arg("audit").args(options).arg(program.file.path());
            Ended::of(command)
        };
        let ended = blind(&[]);
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(
            ended.out.contains("unknown  web       tcp       10.9.0.5:8080 on v0"),
            "{ended:?}"
        );
        assert_eq!(blind(&["--best-effort"]).code, Some(0));
        // What is certain is drift, seen or not.
        let _wide = TcpListener::bind("127.0.0.1:9000").unwrap();
        assert_eq!(blind(&["--best-effort", "--host"]).code, Some(1));
        assert_eq!(blind(&["--host"]).code, Some(1));
    });
}

#[test]
fn a_file_that_means_nothing_here_cannot_be_judged() {
    in_namespace("audit::sight::a_file_that_means_nothing_here_cannot_be_judged", || {
        for (text, said) in [
            ("portcullis: 1\nlisteners: [\n".to_owned(), "it has no meaning to compare"),
            (HEAD.to_owned() + &listener("web", PRIVATE, 8080), "it has no plan on this host"),
        ] {
            let file = ServiceFile::new(&text);
            let ended = audit(file.path(), &[]);
            assert_eq!((ended.code, ended.out.as_str()), (Some(3), ""), "{ended:?}");
            assert!(ended.err.contains(said), "{ended:?}");
        }
        assert_eq!(audit("/nowhere".as_ref(), &[]).code, Some(3));
        let nothing = Ended::with(["audit", "--emit-declaration"]);
        assert_eq!((nothing.code, nothing.out.as_str()), (Some(3), ""), "nobody listens here");
        assert_eq!(Ended::with(["audit"]).code, Some(2));
        assert_eq!(Ended::with(["audit", "--emit-declaration", "a.yaml"]).code, Some(2));
    });
}

#[test]
fn a_hostile_process_name_is_inert_in_every_output() {
    in_namespace("audit::sight::a_hostile_process_name_is_inert_in_every_output", || {
        let program = serving(&[listener("web", PRIVATE, 8080)]);
        let _other = TcpListener::bind("10.9.0.6:8080").unwrap();
        fs::write("/proc/self/comm", HOSTILE).unwrap();
        let first = Ended::with(["audit", "--emit-declaration"]);
        let text = audit(program.file.path(), &["--host"]);
        for output in [&first.out, &text.out] {
            assert!(!output.contains('\u{1b}'), "{output:?}");
        }
        assert_eq!(text.out.lines().filter(|line| line.contains("[2J")).count(), 1, "{text:?}");
        assert_eq!(rows(program.file.path(), &["--host"]).1.len(), 2);
        assert!(first.out.contains("  nu1b2jok-8080:\n"), "{}", first.out);
        parses(&first.out, 2);
    });
}

#[test]
fn a_first_file_is_refused_until_somebody_signs() {
    in_namespace("audit::sight::a_first_file_is_refused_until_somebody_signs", || {
        veth(&["10.9.0.5/24"]);
        let _private = TcpListener::bind("10.9.0.5:8080").unwrap();
        let (_v4, v6) = (TcpListener::bind("0.0.0.0:22").unwrap(), "[::]:22".parse().unwrap());
        let socket =
            socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None).unwrap();
        socket.set_only_v6(true).unwrap();
        socket.bind(&std::net::SocketAddr::into(v6)).unwrap();
        socket.listen(1).unwrap();
        let ended = Ended::with(["audit", "--emit-declaration"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.out.contains("    expose: { any: { families: [v4, v6] } }\n"), "{ended:?}");
        parses(&ended.out, 2);
        let file = ServiceFile::new(&ended.out);
        let mut check = portcullis();
        check.arg("check").arg(file.path());
        let check = Ended::of(check);
        assert!(check.code == Some(1) && check.out.contains("error[PC0101]"), "{check:?}");
        // Held against the host it was written on, all of it is there, and nothing of it is ours. It
        // is tighter than the host: what is tied to no interface is more than is declared.
        let (code, found) = rows(file.path(), &["--host"]);
        assert_eq!(code, Some(1));
        assert!(found[..2].iter().all(|row| row.starts_with("foreign ")), "{found:?}");
        assert_eq!(found[2..], ["undeclared - 10.9.0.5:8080"]);
    });
}

/// `show` reads what has a meaning, whatever rule it breaks.
#[track_caller]
fn parses(text: &str, listeners: usize) {
    let file = ServiceFile::new(text);
    let mut show = portcullis();
    show.args(["show", "--format", "json"]).arg(file.path());
    let shown = Ended::of(show);
    assert_eq!(shown.code, Some(0), "{shown:?}\n{text}");
    assert_eq!(text.matches("\n    port: ").count(), listeners, "{text}");
}
