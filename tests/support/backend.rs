//! Backends: one that the test plays by hand, and one that answers by itself.

use std::{
    io::{self, BufRead as _, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixListener,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use socket2::SockRef;

use super::{client::bounded, wait::DEADLINE};

/// A backend that accepts when the test says so.
pub(crate) struct Backend(TcpListener);

impl Backend {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        SockRef::from(&listener).set_read_timeout(Some(DEADLINE)).unwrap();
        Self(listener)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The next connection.
    #[track_caller]
    pub(crate) fn accept(&self) -> TcpStream {
        bounded(self.0.accept().expect("nobody connected to the backend").0)
    }

    /// Whether somebody waits to be accepted. What is to come later is not known.
    pub(crate) fn somebody_waits(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let waits = self.0.accept().is_ok();
        self.0.set_nonblocking(false).unwrap();
        waits
    }
}

/// An address at which nothing listens, as long as this lives: it is bound, so nobody else gets it.
pub(crate) struct Refusing(socket2::Socket);

impl Refusing {
    pub(crate) fn new() -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        Self(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().unwrap()
    }
}

/// A backend with a name: to every line it answers `NAME: LINE`, and when its client ends it ends.
pub(crate) struct Answering {
    address: Option<SocketAddr>,
    over: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
}

/// How often it looks whether it is over.
const BREATH: Duration = Duration::from_millis(50);

impl Answering {
    pub(crate) fn tcp(name: &'static str) -> Self {
        Self::tcp_at(name, "127.0.0.1:0")
    }

    pub(crate) fn tcp_at(name: &'static str, address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        SockRef::from(&listener).set_read_timeout(Some(BREATH)).unwrap();
        Self::start(Some(listener.local_addr().unwrap()), move || {
            let stream = bounded(listener.accept()?.0);
            Ok(Box::new(move || answer(name, &stream, &stream)))
        })
    }

    pub(crate) fn unix(name: &'static str, path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        SockRef::from(&listener).set_read_timeout(Some(BREATH)).unwrap();
        Self::start(None, move || {
            let stream = listener.accept()?.0;
            stream.set_read_timeout(Some(DEADLINE))?;
            stream.set_write_timeout(Some(DEADLINE))?;
            Ok(Box::new(move || answer(name, &stream, &stream)))
        })
    }

    fn start(
        address: Option<SocketAddr>,
        mut accept: impl FnMut() -> io::Result<Session> + Send + 'static,
    ) -> Self {
        let (over, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stop, count) = (Arc::clone(&over), Arc::clone(&accepted));
        // It ends soon after the test; nobody has to wait for that.
        thread::spawn(move || {
            while !stop.load(SeqCst) {
                // What fails is a wait that was long enough to look around.
                let Ok(session) = accept() else { continue };
                count.fetch_add(1, SeqCst);
                thread::spawn(session);
            }
        });
        Self { address, over, accepted }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address.expect("it is on a path")
    }

    /// How many sessions it has had.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(SeqCst)
    }
}

type Session = Box<dyn FnOnce() + Send>;

impl Drop for Answering {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
    }
}

fn answer(name: &str, read: impl io::Read, mut write: impl io::Write) {
    for line in BufReader::new(read).lines().map_while(Result::ok) {
        // A client that goes while it is answered is the affair of the test.
        if write.write_all(format!("{name}: {line}\n").as_bytes()).is_err() {
            return;
        }
    }
}
