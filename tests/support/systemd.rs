//! A service manager as a service knows it: it listens for messages, keeps descriptors, and passes
//! them to the next process. What it does with them is what `man 3 sd_pid_notify_with_fds` says.

use std::{
    collections::BTreeMap,
    fs,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixDatagram,
    },
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use command_fds::{CommandFdExt, FdMapping};
use portcullis::sys::scm;
use tempfile::TempDir;

use super::{
    file::ServiceFile,
    program::{Program, portcullis_through},
    wait::{eventually, eventually_some, now},
};

/// The first descriptor that is passed.
const FIRST: i32 = 3;

/// More than any message of the tests.
const MESSAGE: usize = 4096;

/// Ends the thread that listens.
const END: &str = "END";

/// A service manager. It goes on while services come and go.
pub(crate) struct ServiceManager {
    _folder: TempDir,
    path: PathBuf,
    heard: Arc<Mutex<Heard>>,
    /// The time within which it wants a sign of life.
    pub(crate) watchdog: Option<Duration>,
    /// What the service is started through.
    pub(crate) through: &'static [&'static str],
    /// Sockets of its own that it passes, with their names.
    pub(crate) sockets: Vec<(String, OwnedFd)>,
}

#[derive(Default)]
struct Heard {
    messages: Vec<String>,
    /// How many of them the test has seen.
    seen: usize,
    /// When the last sign of life came.
    alive: Option<Instant>,
    store: Vec<(String, OwnedFd)>,
}

impl ServiceManager {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let ears = Arc::clone(&heard);
        thread::spawn(move || {
            let mut buffer = [0; MESSAGE];
            loop {
                let received = scm::receive(socket.as_fd(), &mut buffer).unwrap();
                let text = std::str::from_utf8(&buffer[..received.length]).unwrap();
                if text == END {
                    return;
                }
                ears.lock().unwrap().hear(text, received.descriptors);
            }
        });
        Self { _folder: folder, path, heard, watchdog: None, through: &[], sockets: Vec::new() }
    }

    /// Starts the service and waits until it serves.
    #[track_caller]
    pub(crate) fn serving(&self, file: ServiceFile) -> Program {
        Program::serving_by(self.command(), file)
    }

    /// The program as a service of this manager.
    pub(crate) fn command(&self) -> Command {
        let shell = ["sh", "-c", "export LISTEN_PID=$$; exec \"$@\"", "sh"];
        let mut command = portcullis_through(&[&shell, self.through].concat());
        command.env("NOTIFY_SOCKET", &self.path);
        if let Some(within) = self.watchdog {
            command.env("WATCHDOG_USEC", within.as_micros().to_string());
        }
        let heard = self.heard.lock().unwrap();
        let passed: Vec<_> = self.sockets.iter().chain(&heard.store).collect();
        if passed.is_empty() {
            return command;
        }
        let names: Vec<_> = passed.iter().map(|(name, _)| name.as_str()).collect();
        command.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        let mapping = |(child_fd, (_, fd)): (i32, &&(String, OwnedFd))| FdMapping {
            parent_fd: fd.try_clone().unwrap(),
            child_fd,
        };
        command.fd_mappings((FIRST..).zip(&passed).map(mapping).collect()).unwrap();
        command
    }

    /// The next message that has this line; those before it are passed over.
    #[track_caller]
    pub(crate) fn hears(&self, line: &str) -> String {
        let is_it = |message: &String| message.lines().any(|each| each == line);
        eventually_some(&format!("the message {line:?}"), || {
            let heard = &mut *self.heard.lock().unwrap();
            let at = heard.seen + heard.messages[heard.seen..].iter().position(is_it)?;
            heard.seen = at + 1;
            Some(heard.messages[at].clone())
        })
    }

    /// Passes over every message so far.
    pub(crate) fn forgets(&self) {
        let heard = &mut *self.heard.lock().unwrap();
        heard.seen = heard.messages.len();
    }

    /// Whether any message so far has this line.
    pub(crate) fn has_heard(&self, line: &str) -> bool {
        let heard = self.heard.lock().unwrap();
        heard.messages.iter().any(|message| message.lines().any(|each| each == line))
    }

    /// Waits until no sign of life has come for as long as it bears, after which it would end the
    /// service.
    #[track_caller]
    pub(crate) fn loses_patience(&self) {
        let bears = self.watchdog.expect("it wants signs of life");
        eventually("the signs of life end", || {
            self.heard.lock().unwrap().alive.is_some_and(|last| now() - last > bears)
        });
    }

    /// The inodes of the sockets that it keeps, by name.
    pub(crate) fn store(&self) -> BTreeMap<String, Vec<u64>> {
        let mut store: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, fd) in &self.heard.lock().unwrap().store {
            store.entry(name.clone()).or_default().push(inode(fd));
        }
        store
    }

    /// Puts a socket into the store, as if a service had done so.
    pub(crate) fn has_kept(&self, name: &str, fd: OwnedFd) {
        self.heard.lock().unwrap().store.push((name.to_owned(), fd));
    }
}

impl Heard {
    fn hear(&mut self, text: &str, descriptors: Vec<OwnedFd>) {
        let name = text.lines().find_map(|line| line.strip_prefix("FDNAME="));
        if text.starts_with("FDSTOREREMOVE=1") {
            self.store.retain(|(kept, _)| Some(kept.as_str()) != name);
        }
        for fd in descriptors {
            // It compares what it has, and keeps nothing twice.
            if !self.store.iter().any(|(_, kept)| inode(kept) == inode(&fd)) {
                self.store.push((name.unwrap().to_owned(), fd));
            }
        }
        if text == "WATCHDOG=1" {
            self.alive = Some(now());
        }
        self.messages.push(text.to_owned());
    }
}

impl Drop for ServiceManager {
    fn drop(&mut self) {
        // The thread may have ended by a panic, which has been shown.
        drop(UnixDatagram::unbound().unwrap().send_to(END.as_bytes(), &self.path));
    }
}

/// The identity of a socket.
pub(crate) fn inode(fd: &OwnedFd) -> u64 {
    let link = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap();
    let inode = link.to_str().unwrap().strip_prefix("socket:[").unwrap();
    inode.strip_suffix(']').unwrap().parse().unwrap()
}
