//! A new process takes the place of the old one, and no client notices.

mod broken;
mod by_hand;
mod far;
mod load;
mod sockets;

use std::{os::unix::fs::symlink, path::Path, process::Command};

use crate::support::{
    Answering, Backend, Program, ServiceFile,
    client::{ask, ask_over, connect, is_turned_away},
    eventually,
    http::get_over,
    namespace::in_namespace,
};

/// Where the tests listen, each in a network of its own.
const AT: &str = "127.0.0.1:8080";

/// Names how many upgrades there are to be under load; without it there are few, for every day.
const UPGRADES: &str = "PORTCULLIS_TEST_UPGRADES";

/// How big a test is to be.
fn number_of(variable: &str, without: usize) -> usize {
    std::env::var(variable).map_or(without, |text| text.parse().unwrap())
}

/// A listener at [`AT`] with these lines, and these of the process.
fn file(lines: &[&str], runtime: &str) -> String {
    let lines: String = lines.iter().map(|line| format!("    {line}\n")).collect();
    format!(
        "portcullis: 1\nlisteners:\n  web:\n    expose: {{ loopback: {{ families: [v4] }} }}\n    \
         port: 8080\n{lines}runtime: {{ workers: 2, {runtime} }}\n"
    )
}

/// A listener that forwards, whose sessions may finish for so long.
fn forwarding(backend: &Answering, drain: &str) -> String {
    file(&[&format!("forward: {}", backend.address())], &format!("drain: {drain}"))
}

/// A program that is started by a path in its folder, which a test can point elsewhere.
fn replaceable(text: &str) -> Program {
    let service = ServiceFile::new(text);
    let path = service.beside("portcullis");
    symlink(env!("CARGO_BIN_EXE_portcullis"), &path).unwrap();
    Program::serving_by(scrubbed(&path), service)
}

/// The program by another path.
fn scrubbed(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.stdin(std::process::Stdio::null());
    command
}

#[test]
fn sessions_finish_where_they_began_and_new_ones_begin_in_the_new_process() {
    in_namespace(
        "upgrade::sessions_finish_where_they_began_and_new_ones_begin_in_the_new_process",
        || {
            let (at, backend) = (AT.parse().unwrap(), Answering::tcp("b"));
            let mut program = Program::serving(&forwarding(&backend, "1h"));
            let old = connect(at);
            ask_over(&old, "?");
            program.upgrade();
            let new = connect(at);
            assert_eq!(ask_over(&new, "new"), "b: new");
            assert_eq!(ask_over(&old, "old"), "b: old");
            let status = program.status();
            assert_eq!((&status["generation"], &status["sessions"]), (&2.into(), &1.into()));
            let draining = &status["draining"][0];
            assert_eq!(draining["pid"], program.first_pid());
            assert_eq!((&draining["generation"], &draining["sessions"]), (&1.into(), &1.into()));
            drop(old);
            assert_eq!(program.ended().code(), Some(0), "the old one");
            eventually("the new one knows", || {
                program.status()["draining"].as_array().unwrap().is_empty()
            });
            assert_eq!(ask_over(&new, "still"), "b: still");
        },
    );
}

#[test]
fn at_the_deadline_the_old_process_ends_its_sessions_and_the_new_one_keeps_its_own() {
    in_namespace(
        "upgrade::at_the_deadline_the_old_process_ends_its_sessions_and_the_new_one_keeps_its_own",
        || {
            let (at, backend) = (AT.parse().unwrap(), Answering::tcp("b"));
            let mut program = Program::serving(&forwarding(&backend, "200ms"));
            let old = connect(at);
            ask_over(&old, "?");
            program.upgrade();
            assert!(is_turned_away(&old));
            assert_eq!(program.ended().code(), Some(0));
            assert_eq!(ask(at, "?"), "b: ?");
        },
    );
}

#[test]
fn a_probe_that_is_still_in_the_old_process_is_not_told_to_look_elsewhere() {
    in_namespace(
        "upgrade::a_probe_that_is_still_in_the_old_process_is_not_told_to_look_elsewhere",
        || {
            let mut program = Program::serving(&file(&["serve: status"], "drain: 1h"));
            let probe = connect(AT.parse().unwrap());
            eventually("it is in", || program.status()["sessions"] == 1);
            program.upgrade();
            assert_eq!(get_over(&probe, "/healthz").1, "ok\n");
            drop(probe);
            assert_eq!(program.ended().code(), Some(0));
        },
    );
}

#[test]
fn the_lock_and_the_admin_socket_are_the_new_process_s() {
    in_namespace("upgrade::the_lock_and_the_admin_socket_are_the_new_process_s", || {
        let mut program = Program::serving(&file(&["serve: status"], "drain: 1s"));
        for generation in 2..5 {
            program.upgrade();
            assert_eq!(program.status()["generation"], generation);
            assert_eq!(program.status()["pid"], program.pid());
        }
        assert_eq!(program.ended().code(), Some(0), "the first");
        let mut second = scrubbed(Path::new(env!("CARGO_BIN_EXE_portcullis")));
        second.env("RUNTIME_DIRECTORY", program.file.folder()).arg("run").arg(program.file.path());
        let refused = crate::support::Ended::of(second);
        assert_eq!(refused.code, Some(4));
        let who = format!("process {} runs this file", program.pid());
        assert!(refused.err.contains(&who), "{}", refused.err);
        program.file.replace(&file(&["purpose: p", "serve: status"], "drain: 1s"));
        assert_eq!(program.told(&["reload"]).out, "the file is in force as generation 5\n");
        assert_eq!(program.told(&["drain"]).code, Some(0));
        eventually("the last has ended", || program.told(&["status"]).code == Some(3));
        let left: Vec<_> = std::fs::read_dir(program.file.folder()).unwrap().collect();
        assert_eq!(left.len(), 1, "the file alone is left: {left:?}");
    });
}

#[test]
fn a_process_may_be_taken_over_by_one_that_nobody_of_it_has_started() {
    in_namespace(
        "upgrade::a_process_may_be_taken_over_by_one_that_nobody_of_it_has_started",
        || {
            let (at, backend) = (AT.parse().unwrap(), Answering::tcp("b"));
            let mut old = Program::serving(&forwarding(&backend, "1s"));
            let status = old.told(&["status"]);
            assert_eq!(status.code, Some(0));
            let admin = admin_of(&old);
            // Another file, and so another lock.
            let other = ServiceFile::new(&forwarding(&backend, "2s"));
            let options = ["--takeover".as_ref(), admin.as_os_str()];
            let mut new = Program::started_with(crate::support::portcullis(), other, &options);
            assert_eq!(new.next("SERVING"), "SERVING generation=2");
            assert_eq!(new.bound()["web"], [AT]);
            assert_eq!(old.ended().code(), Some(0));
            assert_eq!(ask(at, "?"), "b: ?");
            new.upgrade();
            assert_eq!(ask(at, "?"), "b: ?", "it can be upgraded in turn");
        },
    );
}

/// The private admin socket of a program.
fn admin_of(program: &Program) -> std::path::PathBuf {
    let entries = std::fs::read_dir(program.file.folder()).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths.find(|path| path.extension().is_some_and(|ending| ending == "sock")).unwrap()
}

/// What starts it leaves these signals alone, and what is left alone is inherited.
#[test]
fn the_process_that_takes_over_answers_signals_as_the_first_did() {
    let mut program = replaceable(&file(&["serve: status"], "drain: 1s"));
    program.upgrade();
    program.signal("HUP");
    program.next("RELOADED");
    program.signal("TERM");
    let process = std::path::PathBuf::from(format!("/proc/{}", program.pid()));
    eventually("it ends", || !process.join("exe").exists());
}

#[test]
fn of_too_many_that_drain_the_oldest_is_ended() {
    in_namespace("upgrade::of_too_many_that_drain_the_oldest_is_ended", || {
        let (at, backend) = (AT.parse().unwrap(), Backend::new());
        let forward = format!("forward: {}", backend.address());
        let mut program = Program::serving(&file(&[&forward], "drain: 1h"));
        let mut sessions = Vec::new();
        for _ in 0..5 {
            sessions.push((connect(at), backend.accept()));
            program.upgrade();
        }
        assert_eq!(program.ended().code(), Some(0), "the first of five");
        assert!(is_turned_away(&sessions[0].0));
        let drain = || program.status()["draining"].as_array().unwrap().len();
        eventually("four are left", || drain() == 4);
        drop(sessions);
        eventually("none is left", || drain() == 0);
    });
}
