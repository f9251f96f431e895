//! Workers between scripted clients and backends: real sockets, blocking calls, every wait bounded.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    num::{NonZeroU16, NonZeroUsize},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, SockRef, Socket, Type};
use tempfile::TempDir;
use tokio::{
    runtime::Runtime,
    sync::{mpsc, watch},
    time::Instant,
};

use crate::{
    plan::{Bind, BindAddress, BindKey},
    policy::{AccessLog, ListenerId, Policy, UnixSocket},
    relay::outcome::Outcome,
    runtime::{
        Assignment, Commit, Incident, Registry, Role, Share, SocketId, Workers,
        bind::{self, BoundSocket, Neighbour},
        status::StatusView,
    },
    telemetry::{Counter, Generation, access::Writer},
};

/// No wait of these tests takes this long unless the test fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Workers, and what a supervisor has beside them.
pub(super) struct Rig {
    pub(super) workers: Workers,
    pub(super) registry: Registry,
    pub(super) status: watch::Sender<Arc<StatusView>>,
    runtime: Runtime,
    folder: TempDir,
    log: Writer,
    sockets: u64,
    incidents: mpsc::Receiver<Incident>,
}

impl Rig {
    pub(super) fn start(workers: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = AccessLog { json: true, path: Some(folder.path().join("access.log")) };
        let (status, view) = watch::channel(Arc::new(StatusView {
            service: Some("edge".to_owned()),
            generation: Generation(1),
            started: Instant::now(),
            draining: false,
            tallies: Arc::default(),
            listeners: Vec::new(),
        }));
        let (sender, incidents) = mpsc::channel(8);
        Self {
            workers: Workers::start(NonZeroUsize::new(workers).unwrap(), view, sender).unwrap(),
            registry: Registry::default(),
            status,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            log: Writer::start(&settings).unwrap(),
            folder,
            sockets: 0,
            incidents,
        }
    }

    /// Workers that serve the listener `web` of a policy, and its socket on loopback.
    pub(super) fn serving(workers: usize, policy: &Policy) -> (Self, Assignment) {
        let mut rig = Self::start(workers);
        let socket = rig.serve("web");
        rig.commit(policy, [&socket]);
        (rig, socket)
    }

    /// Commits a policy and the sockets that serve it.
    pub(super) fn commit<'a>(
        &mut self,
        policy: &Policy,
        assignments: impl IntoIterator<Item = &'a Assignment>,
    ) {
        let generation = Generation(self.registry.generation.0 + 1);
        self.registry = self.registry.next(policy, generation);
        self.commit_registry(assignments);
    }

    /// Commits the registry as it is.
    pub(super) fn commit_registry<'a>(
        &self,
        assignments: impl IntoIterator<Item = &'a Assignment>,
    ) {
        let commit = Commit {
            registry: self.registry.clone(),
            assignments: assignments.into_iter().cloned().collect(),
            workers: self.workers.count(),
            access_log: Some(self.log.log()),
        };
        self.runtime.block_on(self.workers.commit(commit)).unwrap();
    }

    /// A socket on a free port of an address, which all workers serve as a listener.
    pub(super) fn serve_at(&mut self, address: Ipv4Addr, listener: &str) -> Assignment {
        let address = BindAddress::Tcp(SocketAddr::new(address.into(), 0));
        self.assign(open(address, 1, None).remove(0), listener, Share::ALONE)
    }

    /// The same, on loopback.
    pub(super) fn serve(&mut self, listener: &str) -> Assignment {
        self.serve_at(Ipv4Addr::LOCALHOST, listener)
    }

    /// A socket of a group for each of so many workers, on loopback.
    pub(super) fn serve_fanned(&mut self, sockets: u16, listener: &str) -> Vec<Assignment> {
        let address = BindAddress::Tcp(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0));
        open(address, sockets, None)
            .into_iter()
            .enumerate()
            .map(|(number, socket)| {
                self.assign(socket, listener, Share { member: number, of: usize::from(sockets) })
            })
            .collect()
    }

    /// A path socket.
    pub(super) fn serve_path(&mut self, name: &str, listener: &str) -> Assignment {
        let path = self.folder.path().join(name);
        let unix = UnixSocket { path: path.clone(), mode: 0o600, owner: None, group: None };
        self.assign(open(BindAddress::Unix(path), 1, Some(unix)).remove(0), listener, Share::ALONE)
    }

    fn assign(&mut self, socket: BoundSocket, listener: &str, share: Share) -> Assignment {
        self.sockets += 1;
        let role = Role::Serve(ListenerId::new(listener));
        Assignment { id: SocketId(self.sockets), socket: Arc::new(socket), role, share }
    }

    pub(super) fn count(&self, counter: Counter) -> u64 {
        self.workers.tallies().read(counter)
    }

    /// How many sessions and clients ended like this.
    pub(super) fn ended(&self, outcome: Outcome) -> u64 {
        let outcomes = self.workers.tallies().outcomes();
        outcomes.iter().find(|(each, _)| *each == outcome).unwrap().1
    }

    /// The next thing that the workers tell the supervisor.
    pub(super) fn incident(&mut self) -> Incident {
        let told = async { tokio::time::timeout(PATIENCE, self.incidents.recv()).await };
        self.runtime.block_on(told).expect("the workers tell in time").expect("workers live")
    }

    /// Whether every worker answers in this time.
    pub(super) fn answer(&self, patience: Duration) -> bool {
        let answer = async { tokio::time::timeout(patience, self.workers.answer()).await };
        self.runtime.block_on(answer).is_ok_and(|lost| lost.is_ok())
    }

    /// Waits until there is no session.
    pub(super) fn wait_until_empty(&self) {
        let emptied = async { tokio::time::timeout(PATIENCE, self.workers.emptied()).await };
        self.runtime.block_on(emptied).expect("sessions end in time");
    }

    /// Stops everything at once and returns the records: `listener outcome bytes_to_backend
    /// bytes_to_client`.
    pub(super) fn finish(self) -> Vec<String> {
        let Self { workers, log, folder, .. } = self;
        drop((workers, log));
        let text = fs::read_to_string(folder.path().join("access.log")).unwrap();
        text.lines()
            .map(|line| {
                let record: serde_json::Value = serde_json::from_str(line).unwrap();
                let field = |name: &str| record[name].to_string().replace('"', "");
                let names = ["listener", "outcome", "bytes_to_backend", "bytes_to_client"];
                names.map(field).join(" ")
            })
            .collect()
    }
}

fn open(address: BindAddress, sockets: u16, unix: Option<UnixSocket>) -> Vec<BoundSocket> {
    let listener = ListenerId::new("any");
    let key = BindKey { address, device: None, unnumbered: Some(listener.clone()) };
    let sockets = NonZeroU16::new(sockets).unwrap();
    let bind = Bind { key, listener, sockets, backlog: 64, link: None, unix, inherited: None };
    bind::open(&bind, Neighbour::None).unwrap().listen().unwrap()
}

/// Where a socket of these tests really is.
pub(super) fn address_of(assignment: &Assignment) -> SocketAddr {
    match assignment.socket.address() {
        BindAddress::Tcp(address) => *address,
        BindAddress::Unix(path) => panic!("{} has no address", path.display()),
    }
}

/// A client.
pub(super) fn connect(to: &Assignment) -> TcpStream {
    connect_to(address_of(to))
}

/// A client of an address.
pub(super) fn connect_to(address: SocketAddr) -> TcpStream {
    bounded(TcpStream::connect_timeout(&address, PATIENCE).unwrap())
}

/// A client that has this address.
pub(super) fn connect_from(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect_timeout(&to.into(), PATIENCE).unwrap();
    bounded(socket.into())
}

/// A backend that listens; the test accepts by hand.
pub(super) fn backend() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // On Linux the bound of a read holds for accept as well.
    SockRef::from(&listener).set_read_timeout(Some(PATIENCE)).unwrap();
    listener
}

/// An address where nobody listens.
pub(super) fn closed() -> String {
    address(&backend())
}

pub(super) fn address(backend: &TcpListener) -> String {
    backend.local_addr().unwrap().to_string()
}

/// The next connection to a backend.
pub(super) fn accept(backend: &TcpListener) -> TcpStream {
    bounded(backend.accept().expect("a session reaches this backend in time").0)
}

/// Whether nobody waits at a backend.
pub(super) fn is_unvisited(backend: &TcpListener) -> bool {
    backend.set_nonblocking(true).unwrap();
    let nobody = backend.accept().is_err();
    backend.set_nonblocking(false).unwrap();
    nobody
}

fn bounded(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends, and has it arrive.
pub(super) fn pass(text: &str, from: &mut (impl Write + ?Sized), to: &mut (impl Read + ?Sized)) {
    from.write_all(text.as_bytes()).unwrap();
    let mut got = vec![0; text.len()];
    to.read_exact(&mut got).unwrap();
    assert_eq!(String::from_utf8(got).unwrap(), text);
}

/// Everything up to the end.
pub(super) fn rest(stream: &mut TcpStream) -> String {
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    rest
}

/// Whether a client of this address is reset, with nothing before it. The reset may be here before
/// `connect` returns.
pub(super) fn is_reset(to: SocketAddr) -> bool {
    let outcome = TcpStream::connect(to).and_then(|client| bounded(client).read(&mut [0]));
    outcome.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}
