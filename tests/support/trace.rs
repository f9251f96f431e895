//! The system calls of one of a program's threads, counted or made to fail by strace.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{
    Program,
    wait::{eventually, eventually_some},
};

/// How often each call was made.
pub(crate) type Calls = BTreeMap<String, usize>;

/// A worker that hangs, until this is dropped: whoever traces it has fallen asleep, so its next call
/// has no end. The program's other threads go on.
pub(crate) struct Hung(Trace);

impl Hung {
    /// Has the first worker hang.
    #[track_caller]
    pub(crate) fn worker(program: &Program) -> Self {
        let thread = first_worker(program.pid());
        let hung = Self(Trace::of(&thread, &[]));
        hung.0.signal("STOP");
        let status = format!("/proc/{thread}/status");
        eventually("the worker hangs", || {
            fs::read_to_string(&status).unwrap().contains("State:\tt (tracing stop)")
        });
        hung
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        self.0.signal("CONT");
    }
}

/// A thread that is being traced, until this is dropped. The program's other threads are not.
///
/// It has to be in a namespace of the test's own, where the test may trace what it did not start
/// through strace.
pub(crate) struct Trace {
    strace: Child,
    folder: TempDir,
}

impl Trace {
    /// Attaches to the first worker, with options of strace's.
    #[track_caller]
    pub(crate) fn of_worker(program: &Program, options: &[&str]) -> Self {
        Self::of(&first_worker(program.pid()), options)
    }

    /// Attaches to the thread that looks at the file and at the host.
    #[track_caller]
    pub(crate) fn of_supervisor(program: &Program, options: &[&str]) -> Self {
        Self::of(&program.pid().to_string(), options)
    }

    #[track_caller]
    fn of(thread: &str, options: &[&str]) -> Self {
        // Not beside the file that the program follows: it would be woken by every line.
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("strace");
        command.arg("-o").arg(output(&folder)).args(["-p", thread]);
        let spawned = command.args(options).stderr(Stdio::piped()).spawn();
        let mut strace =
            spawned.unwrap_or_else(|error| panic!("this test needs `strace`: {error}"));
        let mut said = String::new();
        BufReader::new(strace.stderr.take().unwrap()).read_line(&mut said).unwrap();
        assert!(said.contains("attached"), "{said}");
        Self { strace, folder }
    }

    /// Waits until so many calls of this name were made, and returns how often each was.
    #[track_caller]
    pub(crate) fn calls_until(&self, name: &str, count: usize) -> Calls {
        eventually_some(&format!("{count} calls of {name}"), || {
            let calls = self.calls();
            (calls.get(name).copied().unwrap_or(0) >= count).then_some(calls)
        })
    }

    /// Waits until a call was made to fail.
    #[track_caller]
    pub(crate) fn has_injected(&self) {
        eventually("a call that fails", || self.output().contains("(INJECTED)"));
    }

    /// How often each call was made so far.
    pub(crate) fn calls(&self) -> Calls {
        let mut calls = Calls::new();
        for line in self.output().lines() {
            // What is no call tells of signals and of the end.
            if let Some((name, _)) = line.split_once('(') {
                *calls.entry(name.to_owned()).or_default() += 1;
            }
        }
        calls
    }

    /// Sends a signal to strace, which may have ended with the thread.
    fn signal(&self, name: &str) {
        let kill = format!("kill -s {name} {}", self.strace.id());
        let _sent = Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status();
    }

    fn output(&self) -> String {
        fs::read_to_string(output(&self.folder)).unwrap_or_default()
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // Asked to, it lets go of the thread in order.
        self.signal("INT");
        let _ended = self.strace.wait();
    }
}

fn output(folder: &TempDir) -> PathBuf {
    folder.path().join("calls")
}

/// The thread that is the first worker.
fn first_worker(pid: u32) -> String {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let mut names = tasks.map(|task| task.unwrap().path());
    let worker = names.find(|task| {
        fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "worker-0")
    });
    worker
        .expect("a program that serves has a worker")
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .into()
}
