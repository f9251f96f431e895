//! Limits: those of the file, and what the program does when this host gives it too little.

mod rate;

use crate::support::{
    Answering, LOOPBACK, Program, ServiceFile,
    client::{connect, try_ask, try_ask_over},
    eventually, one_listener,
    program::portcullis_through,
};

/// More clients than the program may have descriptors.
const DESCRIPTORS: usize = 64;
const CLIENTS: usize = 100;

#[test]
fn without_descriptors_it_pauses_and_goes_on_when_there_are_some() {
    let backend = Answering::tcp("b");
    let file = one_listener(&[LOOPBACK, &format!("forward: {}", backend.address())])
        + "runtime: { workers: 1 }\n";
    let limit = format!("ulimit -n {DESCRIPTORS} && exec \"$@\"");
    let command = portcullis_through(&["sh", "-c", &limit, "sh"]);
    let mut program = Program::serving_by(command, ServiceFile::new(&file));
    let web = program.address("web");
    // Twice, for it must be as it was before.
    for _ in 0..2 {
        let first = connect(web);
        assert!(try_ask_over(&mut &first, "?").is_ok());
        let crowd: Vec<_> = (0..CLIENTS).map(|_| connect(web)).collect();
        program.said("cannot accept, will try again");
        assert_eq!(
            try_ask_over(&mut &first, "still").unwrap(),
            "b: still",
            "who is in is not touched"
        );
        drop(crowd);
        eventually("clients are served again", || {
            try_ask(web, "?").is_ok_and(|answer| answer == "b: ?")
        });
    }
    program.stop();
}

#[test]
fn a_limit_that_is_lower_than_it_could_be_is_raised() {
    let file = one_listener(&[LOOPBACK, "serve: status"]);
    let command = portcullis_through(&["sh", "-c", "ulimit -Sn 64 && exec \"$@\"", "sh"]);
    let program = Program::serving_by(command, ServiceFile::new(&file));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<_> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers[0], numbers[1], "{line}");
}
