//! Asking and telling a running program by its own commands.

use super::program::{Ended, Program, portcullis};

impl Program {
    /// Runs one of the commands that ask the running process, with these options.
    pub(crate) fn told(&self, arguments: &[&str]) -> Ended {
        let (command, options) = arguments.split_first().unwrap();
        let mut program = portcullis();
        program.env("RUNTIME_DIRECTORY", self.file.folder());
        program.arg(command).arg(self.file.path()).args(options);
        Ended::of(program)
    }

    /// What the running process says of itself.
    #[track_caller]
    pub(crate) fn status(&self) -> serde_json::Value {
        let ended = self.told(&["status", "--format", "json"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        serde_json::from_str(&ended.out).unwrap()
    }

    /// Has a new process take over, and waits until it serves.
    #[track_caller]
    pub(crate) fn upgrade(&mut self) {
        let ended = self.told(&["upgrade"]);
        assert_eq!(ended.code, Some(0), "{ended:?}\n{}", self.errors());
        self.note_successor(&ended);
        self.next("SERVING");
    }

    /// Remembers the process that an upgrade has brought.
    #[track_caller]
    pub(crate) fn note_successor(&mut self, upgraded: &Ended) {
        let words: Vec<_> = upgraded.out.split(' ').collect();
        self.successors.push(words[1].parse().unwrap_or_else(|_| panic!("{upgraded:?}")));
    }
}
