//! Clients that come without a pause, each of which has to be served, while something changes.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use socket2::SockRef;

use super::{
    client::bounded,
    wait::{DEADLINE, eventually},
};

/// Clients at a time. More would only wait for each other on a small machine.
const CLIENTS: usize = 4;

/// Clients that are to come through between one change and the next.
const BETWEEN_CHANGES: usize = 50;

/// How it goes.
#[derive(Default)]
pub(crate) struct Load {
    over: AtomicBool,
    served: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

/// Has clients connect to these addresses, ask, and be answered, over and over, while `body` runs.
/// Returns how many there were; panics if one of them was not served.
#[track_caller]
pub(crate) fn under_load(to: &[SocketAddr], body: impl FnOnce(&Load)) -> usize {
    let load = Load::default();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (load, to) = (&load, to[client % to.len()]);
            scope.spawn(move || load.run(to));
        }
        let _over = Over(&load.over);
        load.comes_through();
        body(&load);
    });
    let (served, failures) = (load.served.into_inner(), load.failures.into_inner().unwrap());
    assert!(failures.is_empty(), "of {served}: {failures:?}");
    served
}

impl Load {
    /// Waits until a good number of clients has been served, or one was not.
    #[track_caller]
    pub(crate) fn comes_through(&self) {
        let wanted = self.served.load(SeqCst) + BETWEEN_CHANGES;
        eventually("clients come through", || {
            self.served.load(SeqCst) >= wanted || !self.failures.lock().unwrap().is_empty()
        });
    }

    fn run(&self, to: SocketAddr) {
        while !self.over.load(SeqCst) {
            match one(to) {
                Ok(()) => _ = self.served.fetch_add(1, SeqCst),
                Err(error) => {
                    self.failures.lock().unwrap().push(format!("{to}: {error}"));
                    // One is enough to fail; what all the others would say is not needed.
                    return;
                }
            }
        }
    }
}

/// Ends the load, also when the test has failed.
pub(crate) struct Over<'a>(pub(crate) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

fn one(to: SocketAddr) -> Result<(), String> {
    let step = |name: &'static str| move |error: io::Error| format!("{name}: {error}");
    let mut stream = bounded(TcpStream::connect_timeout(&to, DEADLINE).map_err(step("connect"))?);
    stream.write_all(b"?\n").map_err(step("ask"))?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).map_err(step("answer"))?;
    if &answer[1..] != b": ?\n" {
        return Err(format!("another answer: {answer:?}"));
    }
    // Leaving by a reset keeps the port free for the next of so many clients.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).map_err(step("leave"))
}
