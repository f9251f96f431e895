//! New processes that come to nothing: the old one says why, and goes on.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use super::{AT, forwarding, replaceable};
use crate::support::{
    Answering, Program,
    client::{ask, ask_over, connect},
    load::under_load,
    namespace::in_namespace,
};

/// Puts a script in the place of the program, or what the name stands for.
pub(super) fn replace(program: &Program, script: &str) {
    let (path, new) = (program.file.beside("portcullis"), program.file.beside("portcullis.new"));
    match script {
        "the program" => symlink(env!("CARGO_BIN_EXE_portcullis"), &new).unwrap(),
        script => {
            fs::write(&new, script).unwrap();
            fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    fs::rename(&new, &path).unwrap();
}

/// Scripts that come to nothing, and what is said of them.
pub(super) fn scripts() -> [(String, &'static str); 6] {
    let real = env!("CARGO_BIN_EXE_portcullis");
    [
        (
            "#!/bin/sh\nexit 0\n".to_owned(),
            "the new process ended before it served: exit status: 0",
        ),
        (
            "#!/bin/sh\nkill -s KILL $$\n".to_owned(),
            "the new process ended before it served: signal: 9",
        ),
        ("#!/bin/sh\necho nonsense >&0\nexec sleep 1000\n".to_owned(), "does not make sense"),
        // Not enough descriptors for those that are handed over.
        (
            format!("#!/bin/sh\nulimit -n 12\nexec {real} \"$@\"\n"),
            "the new process ended before it served",
        ),
        ("#!/nowhere\n".to_owned(), "cannot start the new process"),
        ("no program at all".to_owned(), "cannot start the new process"),
    ]
}

#[track_caller]
fn comes_to_nothing(program: &Program, options: &[&str], why: &str) {
    let upgraded = program.told(&[&["upgrade"], options].concat());
    assert_eq!(upgraded.code, Some(4), "{why}: {upgraded:?}");
    assert!(upgraded.err.contains(why), "{}", upgraded.err);
    assert_eq!(ask(AT.parse().unwrap(), "?"), "b: ?", "{why}");
}

#[test]
fn whatever_is_in_the_place_of_the_program_the_old_one_goes_on() {
    in_namespace(
        "upgrade::broken::whatever_is_in_the_place_of_the_program_the_old_one_goes_on",
        || {
            let backend = Answering::tcp("b");
            let mut program = replaceable(&forwarding(&backend, "1s"));
            let session = connect(AT.parse().unwrap());
            for (script, why) in scripts() {
                replace(&program, &script);
                comes_to_nothing(&program, &[], why);
            }
            assert_eq!(ask_over(&session, "still"), "b: still");
            drop(session);
            replace(&program, "the program");
            program.upgrade();
            assert_eq!(program.ended().code(), Some(0));
            assert_eq!(ask(AT.parse().unwrap(), "?"), "b: ?");
        },
    );
}

#[test]
fn a_new_process_that_hangs_is_ended_in_time() {
    in_namespace("upgrade::broken::a_new_process_that_hangs_is_ended_in_time", || {
        let backend = Answering::tcp("b");
        let program = replaceable(&forwarding(&backend, "1s"));
        let note = program.file.beside("pid");
        replace(&program, &format!("#!/bin/sh\necho $$ > {}\nexec sleep 1000\n", note.display()));
        comes_to_nothing(&program, &["--within", "300ms"], "did not serve within 300ms");
        let pid = fs::read_to_string(note).unwrap();
        assert!(!fs::exists(format!("/proc/{}", pid.trim())).unwrap(), "it is gone");
    });
}

/// System calls at which a new process is killed: those by which it speaks, from the first to the
/// one that would say that it is ready, and some in between.
const KILLED_AT: [(&str, u32); 8] = [
    ("sendmsg", 1),
    ("recvmsg", 1),
    ("sendmsg", 2),
    ("recvmsg", 2),
    ("sendmsg", 3),
    ("setsockopt", 5),
    ("bind", 1),
    ("sendmsg", 4),
];

#[test]
fn a_new_process_that_is_killed_before_it_is_ready_takes_no_client_with_it() {
    in_namespace(
        "upgrade::broken::a_new_process_that_is_killed_before_it_is_ready_takes_no_client_with_it",
        || {
            let backend = Answering::tcp("b");
            let mut program = replaceable(&forwarding(&backend, "1s"));
            let real = env!("CARGO_BIN_EXE_portcullis");
            under_load(&[AT.parse().unwrap()], |load| {
                for (call, count) in KILLED_AT {
                    let kill = format!("inject={call}:signal=KILL:when={count}");
                    let trace = format!("strace -f -o /dev/null -e trace={call} -e {kill}");
                    replace(&program, &format!("#!/bin/sh\nexec {trace} {real} \"$@\"\n"));
                    let killed = program.told(&["upgrade"]);
                    assert_eq!(killed.code, Some(4), "{call} {count}: {killed:?}");
                    assert!(killed.err.contains("signal: 9"), "{call} {count}: {killed:?}");
                    load.comes_through();
                    assert_eq!(program.status()["generation"], 1, "{call} {count}");
                }
            });
            replace(&program, "the program");
            program.upgrade();
        },
    );
}

#[test]
fn a_file_that_is_refused_or_cannot_be_bound_stops_the_new_process_only() {
    in_namespace(
        "upgrade::broken::a_file_that_is_refused_or_cannot_be_bound_stops_the_new_process_only",
        || {
            let backend = Answering::tcp("b");
            let text = forwarding(&backend, "1s");
            let mut program = replaceable(&text);
            // The old process follows the file as well, and refuses it as well.
            program.file.replace(&text.replace("forward:", "forwards:"));
            comes_to_nothing(&program, &[], "its file is refused");
            let _holder = std::net::TcpListener::bind("127.0.0.1:8082").unwrap();
            program.file.replace(&text.replace("port: 8080", "ports: [8080, 8081, 8082]"));
            comes_to_nothing(&program, &[], "the new process ended before it served");
            program.said("cannot bind 127.0.0.1:8082");
            // The new one has bound the other for a moment; it has left nothing behind.
            drop(std::net::TcpListener::bind("127.0.0.1:8081").unwrap());
            program.file.replace(&text);
            program.upgrade();
        },
    );
}
