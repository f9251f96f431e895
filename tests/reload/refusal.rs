//! A file that is not good, or asks for what cannot be had, changes nothing at all.

use std::net::TcpListener;

use crate::support::{
    Answering, LOOPBACK, Program,
    client::{ask, ask_over, connect},
    one_listener, sockets,
};

/// A program that serves, a session of it, and its sockets.
struct Serving {
    program: Program,
    backend: Answering,
    session: std::net::TcpStream,
    before: std::collections::BTreeMap<u64, std::net::SocketAddr>,
}

impl Serving {
    fn new() -> Self {
        let backend = Answering::tcp("b");
        let program = Program::serving(&file(&backend, ""));
        let session = connect(program.address("web"));
        ask_over(&session, "?");
        let before = sockets::listening(program.pid());
        Self { program, backend, session, before }
    }

    /// Everything is as it was: sockets, the session, and new clients.
    #[track_caller]
    fn is_untouched(&self) {
        assert_eq!(sockets::listening(self.program.pid()), self.before);
        assert_eq!(ask_over(&self.session, "still"), "b: still");
        assert_eq!(ask(self.program.address("web"), "new"), "b: new");
    }
}

fn file(backend: &Answering, more: &str) -> String {
    one_listener(&[LOOPBACK, &format!("forward: {}", backend.address())]) + more
}

#[test]
fn a_bad_file_is_refused_with_everything_that_is_wrong_and_all_is_kept() {
    let mut serving = Serving::new();
    let bad = file(
        &serving.backend,
        "  second:\n    expose: nowhere\n    port: 99999\n    forward: nobody\n",
    );
    let line = serving.program.refuse(&bad);
    let findings = line.strip_prefix("REJECTED generation=1 findings=").unwrap();
    assert!(findings.parse::<usize>().unwrap() >= 3, "{line}");
    for word in ["nowhere", "99999", "nobody"] {
        serving.program.said(word);
    }
    serving.is_untouched();
}

#[test]
fn bytes_that_are_no_text_are_refused_and_all_is_kept() {
    let mut serving = Serving::new();
    assert_eq!(serving.program.refuse("portcullis: 1\0"), "REJECTED generation=1 findings=1");
    serving.is_untouched();
}

#[test]
fn a_file_that_asks_for_a_port_in_use_is_refused_and_all_is_kept() {
    let mut serving = Serving::new();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().port();
    let second = |port| {
        format!(
            "  free:\n    {LOOPBACK}\n    serve: status\n  second:\n    expose: {{ loopback: {{ families: [v4] }} }}\n    port: {port}\n    serve: status\n"
        )
    };
    let wanted = file(&serving.backend, &second(taken));
    assert_eq!(serving.program.refuse(&wanted), "REJECTED generation=1 findings=1");
    serving.program.said(&format!("cannot bind 127.0.0.1:{taken}"));
    serving.program.said(&format!("(pid {}", std::process::id()));
    serving.is_untouched();
    // The same file is good as soon as the port is free.
    drop(holder);
    serving.program.signal("HUP");
    assert_eq!(serving.program.next("RELOADED"), "RELOADED generation=2");
    assert_eq!(serving.program.address("second").port(), taken);
}

#[test]
fn a_refused_file_does_not_stand_in_the_way_of_the_next() {
    let mut serving = Serving::new();
    for attempt in 0..3 {
        assert!(serving.program.refuse("portcullis: 2\n").starts_with("REJECTED generation=1"));
        let remark = format!("# attempt {attempt}\n{}", file(&serving.backend, ""));
        assert_eq!(serving.program.reload_in_vain(&remark), 1);
    }
    serving.is_untouched();
}

#[test]
fn an_access_log_that_cannot_be_opened_is_refused_and_all_is_kept() {
    let mut serving = Serving::new();
    let nowhere = serving.program.file.beside("absent/access.log");
    let log = format!("runtime: {{ access_log: {{ format: text, to: {} }} }}\n", nowhere.display());
    let wanted = file(&serving.backend, &log);
    assert_eq!(serving.program.refuse(&wanted), "REJECTED generation=1 findings=1");
    serving.is_untouched();
}

#[test]
fn an_access_log_that_is_a_pipe_without_a_reader_is_refused_at_once() {
    let mut serving = Serving::new();
    let pipe = serving.program.file.beside("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let log = format!("runtime: {{ access_log: {{ format: text, to: {} }} }}\n", pipe.display());
    let wanted = file(&serving.backend, &log);
    assert_eq!(serving.program.refuse(&wanted), "REJECTED generation=1 findings=1");
    serving.program.said(&format!("`{}`: No such device or address", pipe.display()));
    serving.is_untouched();
}
