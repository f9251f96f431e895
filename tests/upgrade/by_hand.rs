//! Hand-overs in which the test is one side, and ends, lies or is silent at every step.

use std::{net::TcpListener, os::fd::AsFd as _, process::Stdio};

use portcullis::supervisor::upgrade::frame::{Item, Message};
use socket2::SockRef;

use super::{AT, admin_of, file, forwarding, scrubbed};
use crate::support::{
    Answering, Ended, Program, ServiceFile,
    client::{ask, ask_over, connect},
    eventually,
    handover::End,
    load::under_load,
    namespace::in_namespace,
    portcullis,
};

/// Whether the process serves and is ready for the next one.
#[track_caller]
fn goes_on(program: &Program) {
    eventually("it goes on", || program.status()["state"] == "serving");
    assert_eq!(program.status()["generation"], 1);
}

#[test]
fn a_new_process_that_ends_at_any_step_changes_nothing() {
    in_namespace("upgrade::by_hand::a_new_process_that_ends_at_any_step_changes_nothing", || {
        let (at, backend) = (AT.parse().unwrap(), Answering::tcp("b"));
        let mut program = Program::serving(&forwarding(&backend, "1s"));
        let session = connect(at);
        under_load(&[at], |load| {
            for step in 0..5 {
                let mut end = End::of(&admin_of(&program));
                match step {
                    0 => {}
                    1 => drop(end.greet()),
                    2 => {
                        end.greet();
                        end.say(Message::Get);
                    }
                    3 => {
                        end.greet();
                        end.say(Message::Get);
                        // What has come is closed here, unacknowledged.
                        drop(end.hear());
                    }
                    _ => {
                        let taken = end.take();
                        assert_eq!(taken.len(), 2, "the lock and the socket");
                        // As it would to bind another beside it.
                        SockRef::from(&taken[1].1).set_reuse_port(true).unwrap();
                        load.comes_through();
                    }
                }
                drop(end);
                load.comes_through();
                goes_on(&program);
                let found = &program.status()["sockets"][0]["found"];
                assert_eq!(found["reuse_port"], false, "nobody else may join");
            }
        });
        assert_eq!(ask_over(&session, "still"), "b: still");
        program.upgrade();
        assert_eq!(ask(at, "?"), "b: ?", "and then one succeeds");
    });
}

#[test]
fn a_new_process_that_lies_is_told_so_and_nothing_has_changed() {
    in_namespace(
        "upgrade::by_hand::a_new_process_that_lies_is_told_so_and_nothing_has_changed",
        || {
            let backend = Answering::tcp("b");
            let program = Program::serving(&forwarding(&backend, "1s"));
            let aborted = |end: End| match end.message() {
                Message::Abort { reason } => reason,
                other => panic!("{other:?}"),
            };
            let mut end = End::of(&admin_of(&program));
            end.say(Message::Hello { versions: vec![7, 9], build: "x".to_owned(), pid: 1 });
            assert!(aborted(end).contains("versions [7, 9]"));
            goes_on(&program);
            let end = End::of(&admin_of(&program));
            end.say_bytes(b"not a frame", &[]);
            assert!(aborted(end).contains("no frame"));
            goes_on(&program);
            let mut end = End::of(&admin_of(&program));
            end.say(Message::Ready);
            assert!(aborted(end).contains("something else"));
            goes_on(&program);
            let mut end = End::of(&admin_of(&program));
            end.greet();
            end.say(Message::Get);
            let (frame, descriptors) = end.hear().unwrap();
            let received = u32::try_from(descriptors.len()).unwrap() - 1;
            end.say(Message::Ack { sequence: frame.sequence, received });
            assert_eq!(aborted(end), "the new process got 1 of 2 descriptors");
            goes_on(&program);
        },
    );
}

#[test]
fn one_process_takes_over_at_a_time_and_a_reload_waits() {
    in_namespace("upgrade::by_hand::one_process_takes_over_at_a_time_and_a_reload_waits", || {
        let backend = Answering::tcp("b");
        let mut program = Program::serving(&forwarding(&backend, "1s"));
        let mut end = End::of(&admin_of(&program));
        drop(end.take());
        assert_eq!(program.status()["state"], "handing_over");
        for command in ["upgrade", "reload"] {
            let refused = program.told(&[command]);
            assert_eq!(refused.code, Some(4), "{refused:?}");
            assert!(refused.err.contains("another process is taking over"), "{}", refused.err);
        }
        program.file.replace(&forwarding(&backend, "2s"));
        program.signal("HUP");
        assert_eq!(program.status()["generation"], 1);
        drop(end);
        assert_eq!(program.next("RELOADED"), "RELOADED generation=2");
    });
}

#[test]
fn a_process_that_is_told_to_stop_calls_the_hand_over_off() {
    in_namespace(
        "upgrade::by_hand::a_process_that_is_told_to_stop_calls_the_hand_over_off",
        || {
            let backend = Answering::tcp("b");
            let mut program = Program::serving(&forwarding(&backend, "1s"));
            let mut end = End::of(&admin_of(&program));
            let taken = end.take();
            program.signal("TERM");
            assert_eq!(end.message(), Message::Abort { reason: "it is told to stop".to_owned() });
            drop(taken);
            assert_eq!(program.ended().code(), Some(0));
        },
    );
}

#[test]
fn what_another_version_says_is_answered_and_passed_over() {
    in_namespace("upgrade::by_hand::what_another_version_says_is_answered_and_passed_over", || {
        let program = Program::serving(&file(&["serve: status"], "drain: 1s"));
        let mut end = End::of(&admin_of(&program));
        end.greet();
        let body = br#"{"type":"dance"}"#;
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        end.say_bytes(&[b"PCUP\0\x01\0\0\0\x09".as_slice(), &length, body].concat(), &[]);
        assert_eq!(end.message(), Message::Unsupported);
        end.say(Message::Get);
        assert!(matches!(end.message(), Message::Batch { .. }));
    });
}

/// A new process over a socket that the test has, as far as the test hands it.
fn new_process(hand_over: impl FnOnce(&mut End, &TcpListener)) -> Program {
    let listener = socket2::Socket::from(TcpListener::bind(AT).unwrap());
    listener.bind_device(Some(b"lo")).unwrap();
    let listener = TcpListener::from(listener);
    let (mut end, far) = End::pair();
    let mut command = portcullis();
    command.stdin(Stdio::from(far));
    let service = ServiceFile::new(&file(&["serve: status"], "drain: 1s")).serving();
    let options = ["--takeover".as_ref(), "-".as_ref()];
    let program = Program::started_with(command, service, &options);
    hand_over(&mut end, &listener);
    program
}

fn batch(items: usize) -> Message {
    Message::Batch { items: vec![Item::Socket { listener: "web".to_owned() }; items] }
}

#[test]
fn an_old_process_that_dies_once_everything_is_handed_over_is_replaced_all_the_same() {
    in_namespace(
        "upgrade::by_hand::an_old_process_that_dies_once_everything_is_handed_over_is_replaced_all_the_same",
        || {
            let mut program = new_process(|end, listener| {
                end.welcome(1);
                let sequence = end.say_with(batch(1), &[listener.as_fd()]);
                assert_eq!(end.message(), Message::Ack { sequence, received: 1 });
            });
            assert_eq!(program.next("SERVING"), "SERVING generation=8");
            assert_eq!(crate::support::http::get(AT.parse().unwrap(), "/healthz").1, "ok\n");
        },
    );
}

#[test]
fn an_old_process_that_changes_its_mind_at_the_end_keeps_the_sockets() {
    in_namespace(
        "upgrade::by_hand::an_old_process_that_changes_its_mind_at_the_end_keeps_the_sockets",
        || {
            let mut program = new_process(|end, listener| {
                end.welcome(1);
                end.say_with(batch(1), &[listener.as_fd()]);
                drop(end.message());
                assert_eq!(end.message(), Message::Ready);
                end.say(Message::Abort { reason: "too late".to_owned() });
            });
            assert_eq!(program.ended().code(), Some(4));
            assert!(program.errors().contains("the running process goes on: too late"));
        },
    );
}

#[test]
fn an_old_process_that_lies_is_not_taken_over() {
    in_namespace("upgrade::by_hand::an_old_process_that_lies_is_not_taken_over", || {
        let fails = |why: &str, lie: &dyn Fn(&mut End, &TcpListener)| {
            let mut program = new_process(|end, listener| {
                lie(end, listener);
                // It says no more, and waits for nothing.
                while end.hear().is_some() {}
            });
            assert_eq!(program.ended().code(), Some(4), "{why}");
            assert!(program.errors().contains(why), "{}", program.errors());
        };
        fails("1 of 2 descriptors came", &|end, listener| {
            end.welcome(2);
            end.say_with(batch(2), &[listener.as_fd()]);
        });
        fails("1 of 0 descriptors came", &|end, listener| {
            end.welcome(1);
            end.say_with(batch(0), &[listener.as_fd()]);
        });
        fails("something else", &|end, _| {
            end.welcome(1);
            end.say(Message::Ready);
        });
        fails("does not make sense", &|end, _| {
            end.welcome(1);
            end.say_bytes(b"PCUP", &[]);
        });
        fails("speaks version 3", &|end, _| {
            drop(end.message());
            let build = "test".to_owned();
            end.say(Message::Welcome { version: 3, build, pid: 1, generation: 1, descriptors: 0 });
        });
    });
}

#[test]
fn a_socket_that_is_none_is_passed_over_and_the_plan_gets_its_own() {
    in_namespace(
        "upgrade::by_hand::a_socket_that_is_none_is_passed_over_and_the_plan_gets_its_own",
        || {
            let service = ServiceFile::new(&file(&["serve: status"], "drain: 1s")).serving();
            let (mut end, far) = End::pair();
            let mut command = portcullis();
            command.stdin(Stdio::from(far));
            let options = ["--takeover".as_ref(), "-".as_ref()];
            let mut program = Program::started_with(command, service, &options);
            end.welcome(1);
            let (other, _) = portcullis::sys::scm::pair().unwrap();
            end.say_with(batch(1), &[other.as_fd()]);
            drop(end.message());
            assert_eq!(end.message(), Message::Ready);
            end.say(Message::Draining { sessions: 0 });
            assert_eq!(end.message(), Message::Serving);
            assert_eq!(program.next("SERVING"), "SERVING generation=8");
            assert!(program.errors().contains("is of no use"), "{}", program.errors());
        },
    );
}

#[test]
fn without_a_channel_there_is_nothing_to_take_over() {
    let service = ServiceFile::new(&crate::support::one_listener(&[
        "expose: loopback",
        "port: 1",
        "serve: status",
    ]))
    .serving();
    for (from, why) in [
        ("-", "there is no channel"),
        ("/nowhere/x.sock", "no running process answers at `/nowhere/x.sock`"),
    ] {
        let mut command = scrubbed(env!("CARGO_BIN_EXE_portcullis").as_ref());
        command.env("RUNTIME_DIRECTORY", service.folder());
        command.args(["run", "--takeover", from]).arg(service.path());
        let ended = Ended::of(command);
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert!(ended.err.contains(why), "{}", ended.err);
    }
}
