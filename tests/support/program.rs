//! The real binary as a child process: started in a scrubbed environment, read line by line, ended
//! with the test.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Read},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
};

use super::{
    ServiceFile, sockets,
    wait::{DEADLINE, eventually, eventually_some},
};

/// The program with nothing from the environment of the test.
pub(crate) fn portcullis() -> Command {
    scrubbed(Command::new(env!("CARGO_BIN_EXE_portcullis")))
}

/// The program started through another, which gets its path as the last argument so far.
pub(crate) fn portcullis_through(wrapper: &[&str]) -> Command {
    let (program, arguments) = wrapper.split_first().unwrap();
    let mut command = scrubbed(Command::new(program));
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.args(arguments).arg(env!("CARGO_BIN_EXE_portcullis"));
    command
}

fn scrubbed(mut command: Command) -> Command {
    // What a process keeps for itself stays among what the tests leave.
    command.env_clear().env("RUNTIME_DIRECTORY", env!("CARGO_TARGET_TMPDIR"));
    command.stdin(Stdio::null());
    command
}

/// What a program that ends by itself has left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Runs a command to its end.
    pub(crate) fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Runs the program with arguments, in the folder of the tests' own package.
    pub(crate) fn with(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let mut command = portcullis();
        command.args(arguments);
        Self::of(command)
    }
}

/// A running program. Dropping it kills it, and shows what it said if the test has failed.
pub(crate) struct Program {
    child: Child,
    /// The file that it follows.
    pub(crate) file: ServiceFile,
    lines: mpsc::Receiver<String>,
    /// Lines that were read while waiting for others.
    passed: Vec<String>,
    errors: Arc<Mutex<String>>,
    bound: BTreeMap<String, Vec<String>>,
    /// Processes that an upgrade has put in its place, the youngest last.
    pub(super) successors: Vec<u32>,
    /// The last one that a reload has waited for.
    generation: u64,
}

impl Program {
    /// Runs a file and waits until it serves.
    #[track_caller]
    pub(crate) fn serving(text: &str) -> Self {
        Self::serving_file(ServiceFile::new(text))
    }

    #[track_caller]
    pub(crate) fn serving_file(file: ServiceFile) -> Self {
        Self::serving_by(portcullis(), file)
    }

    /// The same, started by this command.
    #[track_caller]
    pub(crate) fn serving_by(command: Command, file: ServiceFile) -> Self {
        let mut program = Self::started_by(command, file);
        assert_eq!(program.next("SERVING"), "SERVING generation=1");
        program
    }

    /// The same, under a guardrail.
    #[track_caller]
    pub(crate) fn serving_under(guardrail: &Path, file: ServiceFile) -> Self {
        let options = [OsStr::new("--guardrails"), guardrail.as_os_str()];
        let mut program = Self::started_with(portcullis(), file, &options);
        assert_eq!(program.next("SERVING"), "SERVING generation=1");
        program
    }

    /// Starts it and waits for nothing.
    pub(crate) fn started_by(command: Command, file: ServiceFile) -> Self {
        Self::started_with(command, file, &[])
    }

    pub(crate) fn started_with(
        mut command: Command,
        file: ServiceFile,
        options: &[&OsStr],
    ) -> Self {
        // What a process keeps for itself vanishes with the test, too.
        command.env("RUNTIME_DIRECTORY", file.folder());
        Self::started_in(command, file, options)
    }

    /// The same with the runtime directory that the command has.
    pub(crate) fn started_in(mut command: Command, file: ServiceFile, options: &[&OsStr]) -> Self {
        let file = file.serving();
        command.args(["run", "--allow-port-zero"]).arg(file.path()).args(options);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        // Both threads end with the pipes, which end with the child.
        thread::spawn(move || {
            out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let errors = Arc::new(Mutex::new(String::new()));
        let (kept, mut pipe) = (Arc::clone(&errors), child.stderr.take().unwrap());
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        Self {
            child,
            file,
            lines,
            passed: Vec::new(),
            errors,
            bound: BTreeMap::new(),
            successors: Vec::new(),
            generation: 1,
        }
    }

    /// The process that serves.
    pub(crate) fn pid(&self) -> u32 {
        self.successors.last().copied().unwrap_or_else(|| self.child.id())
    }

    /// The process that was started here.
    pub(crate) fn first_pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of output that begins with the word.
    #[track_caller]
    pub(crate) fn next(&mut self, word: &str) -> String {
        self.next_where(word, |line| line.starts_with(word))
    }

    /// The next line of output for which this holds; READY lines on the way are noted, others kept.
    #[track_caller]
    pub(crate) fn next_where(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        if let Some(at) = self.passed.iter().position(|line| wanted(line)) {
            return self.passed.remove(at);
        }
        loop {
            let Ok(line) = self.lines.recv_timeout(DEADLINE) else {
                panic!("no line: {what}; it said {:?}\n{}", self.passed, self.errors());
            };
            if let Some(ready) = line.strip_prefix("READY listener=") {
                self.note(ready);
            }
            if wanted(&line) {
                return line;
            }
            self.passed.push(line);
        }
    }

    fn note(&mut self, ready: &str) {
        let (listener, rest) = ready.split_once(" protocol=").unwrap();
        let (_, address) = rest.split_once(" address=").unwrap();
        self.bound.entry(listener.to_owned()).or_default().push(address.to_owned());
    }

    /// The next line that begins with the word; none if the program has ended without it.
    pub(crate) fn next_or_end(&mut self, word: &str) -> Option<String> {
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) if line.starts_with(word) => return Some(line),
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("no line and no end: {word}"),
            }
        }
    }

    /// The next access record, in JSON.
    #[track_caller]
    pub(crate) fn record(&mut self) -> serde_json::Value {
        let line = self.next_where("an access record", |line| line.starts_with('{'));
        serde_json::from_str(&line).unwrap()
    }

    /// Where the listener was bound last.
    #[track_caller]
    pub(crate) fn address(&self, listener: &str) -> SocketAddr {
        let addresses =
            self.bound.get(listener).unwrap_or_else(|| panic!("{listener} is not bound"));
        addresses.last().unwrap().parse().unwrap()
    }

    /// Every READY line so far, by listener.
    pub(crate) fn bound(&self) -> &BTreeMap<String, Vec<String>> {
        &self.bound
    }

    /// Puts another file in place, waits until it is in force, and returns its generation.
    ///
    /// A change may be answered twice: by the program's own look, and by the one that the signal
    /// asks for. So an answer that was there before this change does not count for it.
    #[track_caller]
    pub(crate) fn reload(&mut self, text: &str) -> u64 {
        let before = self.generation;
        self.replace(text);
        loop {
            self.generation = self.answer("RELOADED generation=");
            if self.generation > before {
                return self.generation;
            }
        }
    }

    /// Puts another file in place that means the same, waits for the answer, and returns the
    /// generation, which stays.
    #[track_caller]
    pub(crate) fn reload_in_vain(&mut self, text: &str) -> u64 {
        self.replace(text);
        self.answer("RELOADED generation=")
    }

    /// Puts a file in place that is to be refused, and returns the line that says so.
    #[track_caller]
    pub(crate) fn refuse(&mut self, text: &str) -> String {
        self.passed.retain(|line| !line.starts_with("REJECTED"));
        self.replace(text);
        self.next("REJECTED")
    }

    fn replace(&self, text: &str) {
        self.file.replace(text);
        self.signal("HUP");
    }

    #[track_caller]
    fn answer(&mut self, beginning: &str) -> u64 {
        self.next(beginning).strip_prefix(beginning).unwrap().parse().unwrap()
    }

    /// How many descriptors it has while it has no session.
    pub(crate) fn idle_descriptors(&self) -> usize {
        /// It looks at its host once a second, by a descriptor that it has for a moment.
        const LOOKS: usize = 20;
        (0..LOOKS).map(|_| self.descriptors()).min().unwrap()
    }

    /// Waits until it has so many descriptors.
    #[track_caller]
    pub(crate) fn settles_at(&self, descriptors: usize) {
        eventually(&format!("{descriptors} descriptors"), || self.descriptors() == descriptors);
    }

    /// Its descriptors but for the pipes that it splices through, which it keeps for later.
    fn descriptors(&self) -> usize {
        let all = sockets::descriptors(self.pid());
        all.len() - pipe_ends(&all)
    }

    /// The ends of pipes that it splices through.
    pub(crate) fn pipe_ends(&self) -> usize {
        pipe_ends(&sockets::descriptors(self.pid()))
    }

    /// Its resident memory.
    pub(crate) fn resident_kib(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    /// What it has written to standard error.
    pub(crate) fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    /// Waits until it has written this to standard error.
    #[track_caller]
    pub(crate) fn said(&self, text: &str) {
        eventually(&format!("{text:?} on standard error"), || self.errors().contains(text));
    }

    /// Sends a signal, by name.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -s {name} {}", self.pid());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        eventually_some("the end of the program", || self.child.try_wait().unwrap())
    }

    /// Asks it to stop, and waits until it has.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        self.signal("TERM");
        assert_eq!(self.ended().code(), Some(0), "{}", self.errors());
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Every line that is left once it has ended.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.passed);
        lines.extend(self.lines.iter());
        lines
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already; there is no other way for these to fail.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
        for successor in &self.successors {
            let kill = format!("kill -s KILL {successor} 2>/dev/null");
            // It has usually ended, and then there is nothing to be done.
            let _ended = Command::new("sh").args(["-c", &kill]).status();
        }
        if thread::panicking() {
            #[expect(clippy::print_stderr, reason = "a failed test shows what the program said")]
            {
                eprintln!("--- the program said\n{}---", self.errors());
            }
        }
    }
}

/// The descriptors of pipes of which both ends are there.
fn pipe_ends(descriptors: &BTreeMap<String, String>) -> usize {
    let mut ends = BTreeMap::<_, usize>::new();
    for name in descriptors.values().filter(|name| name.starts_with("pipe:")) {
        *ends.entry(name).or_default() += 1;
    }
    ends.into_values().filter(|ends| *ends == 2).sum()
}
