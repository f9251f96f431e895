//! A refused file is looked at once more before anything is said, whatever happens beside it.

use std::{fs, time::Duration};

use crate::support::{LOOPBACK, Program, eventually, one_listener, wait::now};

/// More than the program waits for a writer to pause, and less than it waits with its second look.
const BETWEEN_EVENTS: Duration = Duration::from_millis(400);

#[test]
fn events_of_a_neighbouring_file_do_not_swallow_it() {
    let mut program = Program::serving(&one_listener(&[LOOPBACK, "serve: status"]));
    fs::write(program.file.path(), "portcullis: 2\nruntime: { user: root }\n").unwrap();
    let neighbour = program.file.beside("neighbour");
    let mut next = now();
    eventually("a word about the refused file, while its neighbour changes", || {
        if now() >= next {
            fs::write(&neighbour, "again").unwrap();
            next = now() + BETWEEN_EVENTS;
        }
        program.errors().contains("speaks version 1")
    });
    assert_eq!(program.next("REJECTED"), "REJECTED generation=1 findings=2");
}
