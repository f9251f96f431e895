//! Sockets of every kind are handed over, and the new file's plan says what becomes of them.

use std::{
    collections::BTreeSet,
    os::unix::{fs::MetadataExt as _, net::UnixStream},
};

use super::{AT, file, forwarding};
use crate::support::{
    Answering, Program, ServiceFile,
    client::{ask, ask_over, connect, refused, turns_away},
    eventually,
    load::under_load,
    namespace::{in_namespace, veth},
    sockets,
};

/// The sockets of the running process, as `address found`.
fn found(program: &Program) -> Vec<String> {
    let status = program.status();
    let sockets = status["sockets"].as_array().unwrap().clone();
    let mut found: Vec<_> = sockets
        .iter()
        .map(|one| {
            format!(
                "{} {}",
                one["purpose"].as_str().unwrap(),
                one["found"]["address"].as_str().unwrap()
            )
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_fan_out_is_handed_over_grows_and_shrinks() {
    in_namespace("upgrade::sockets::a_fan_out_is_handed_over_grows_and_shrinks", || {
        let (at, backend) = (AT.parse().unwrap(), Answering::tcp("b"));
        let with = |fanout: &str| {
            file(
                &[&format!("fanout: {fanout}"), &format!("forward: {}", backend.address())],
                "drain: 1s",
            )
        };
        let mut program = Program::serving(&with("3"));
        under_load(&[at], |load| {
            for (fanout, sockets) in [("3", 3), ("4", 4), ("2", 4), ("none", 4), ("4", 4)] {
                program.file.replace(&with(fanout));
                program.upgrade();
                load.comes_through();
                // Those that are too many are served on: nothing is closed that a client may be in.
                assert_eq!(found(&program), vec![format!("planned {AT}"); sockets], "{fanout}");
            }
        });
    });
}

#[test]
fn a_path_socket_stays_the_same_file_and_nobody_removes_it() {
    let service = ServiceFile::new("");
    let path = service.beside("front.sock");
    let text = format!(
        "portcullis: 1\nlisteners:\n  web:\n    expose: {{ unix: {{ path: {}, mode: \"0600\" }} }}\n    \
         serve: status\n",
        path.display()
    );
    service.replace(&text);
    let mut program = Program::serving_file(service);
    let file = || std::fs::metadata(&path).unwrap().ino();
    let first = file();
    for _ in 0..3 {
        program.upgrade();
        assert_eq!(file(), first);
        let (_, body) =
            crate::support::http::get_over(UnixStream::connect(&path).unwrap(), "/healthz");
        assert_eq!(body, "ok\n");
    }
    assert_eq!(program.ended().code(), Some(0));
    assert_eq!(file(), first, "the first process has left it alone");
    program.file.replace(&text.replace("0600", "0660"));
    program.upgrade();
    assert_ne!(file(), first, "another mode is another file");
    assert_eq!(program.told(&["drain"]).code, Some(0));
    eventually("the last removes it", || !path.exists());
}

#[test]
fn a_file_that_changed_meanwhile_narrows_widens_adds_and_removes() {
    in_namespace(
        "upgrade::sockets::a_file_that_changed_meanwhile_narrows_widens_adds_and_removes",
        || {
            veth(&["10.9.0.5/24", "10.9.0.6/24"]);
            let backend = Answering::tcp("b");
            let any = "{ any: { families: [v4] } }";
            let one = "{ private: { address: 10.9.0.5 } }";
            let with = |expose: &str, port: u16| {
                format!(
                    "portcullis: 1\nlisteners:\n  web:\n    expose: {expose}\n    port: {port}\n    \
                     allow: {{ reason: a test }}\n    limits: {{ connections: 1000 }}\n    timeouts: {{ idle: 5m }}\n    forward: {}\nruntime: {{ drain: 1s }}\n",
                    backend.address()
                )
            };
            let (inside, outside) =
                ("10.9.0.5:8080".parse().unwrap(), "10.9.0.6:8080".parse().unwrap());
            let mut program = Program::serving(&with(any, 8080));
            under_load(&[inside], |load| {
                for _ in 0..3 {
                    program.file.replace(&with(one, 8080));
                    program.upgrade();
                    load.comes_through();
                    eventually("the wide one is gone", || {
                        found(&program) == ["planned 10.9.0.5:8080"]
                    });
                    refused(outside);
                    program.file.replace(&with(any, 8080));
                    program.upgrade();
                    assert_eq!(found(&program), ["absorbed 10.9.0.5:8080", "planned 0.0.0.0:8080"]);
                    assert_eq!(ask(outside, "?"), "b: ?");
                    load.comes_through();
                }
            });
            program.file.replace(&with(one, 8081));
            program.upgrade();
            assert_eq!(found(&program), ["planned 10.9.0.5:8081"]);
            refused(inside);
            assert_eq!(ask("10.9.0.5:8081".parse().unwrap(), "?"), "b: ?");
        },
    );
}

#[test]
fn what_a_narrowed_socket_still_lets_in_is_turned_away_by_the_new_process() {
    in_namespace(
        "upgrade::sockets::what_a_narrowed_socket_still_lets_in_is_turned_away_by_the_new_process",
        || {
            veth(&["10.9.0.5/24", "10.9.0.6/24"]);
            let text = |expose: &str| {
                format!(
                    "portcullis: 1\nlisteners:\n  web:\n    expose: {expose}\n    port: 8080\n    \
                     allow: {{ reason: a test }}\n    limits: {{ connections: 1000 }}\n    timeouts: {{ idle: 5m }}\n    serve: status\n"
                )
            };
            let mut program = Program::serving(&text("{ any: { families: [v4] } }"));
            program.file.replace(&text("{ private: { address: 10.9.0.5 } }"));
            program.upgrade();
            let outside = "10.9.0.6:8080".parse().unwrap();
            // It closes soon; until then the kernel lets in whom the program does not.
            if found(&program).len() == 2 {
                assert!(turns_away(outside));
            }
            refused(outside);
        },
    );
}

#[test]
fn more_sockets_than_fit_one_batch_are_handed_over() {
    in_namespace("upgrade::sockets::more_sockets_than_fit_one_batch_are_handed_over", || {
        let text =
            file(&["serve: status"], "drain: 1s").replace("port: 8080", "ports: [8000-8199]");
        let mut program = Program::serving(&text);
        let before = sockets::listening(program.pid());
        assert_eq!(before.len(), 200);
        program.upgrade();
        assert_eq!(program.ended().code(), Some(0));
        assert_eq!(sockets::listening(program.pid()), before, "the very same");
        let bound: BTreeSet<_> = program.bound()["web"].iter().collect();
        assert_eq!(bound.len(), 200);
    });
}

#[test]
fn a_session_in_the_old_process_keeps_its_rules_when_the_new_one_has_others() {
    in_namespace(
        "upgrade::sockets::a_session_in_the_old_process_keeps_its_rules_when_the_new_one_has_others",
        || {
            let (at, [a, b]) = (AT.parse().unwrap(), ["a", "b"].map(Answering::tcp));
            let mut program = Program::serving(&forwarding(&a, "1h"));
            let old = connect(at);
            assert_eq!(ask_over(&old, "?"), "a: ?");
            program.file.replace(&forwarding(&b, "1h"));
            program.upgrade();
            assert_eq!(ask(at, "?"), "b: ?");
            assert_eq!(ask_over(&old, "?"), "a: ?");
        },
    );
}
