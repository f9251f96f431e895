//! What the tests of whole sessions are built of: a relay between two peers, and bytes to send.

use std::{
    fs,
    future::poll_fn,
    io::{self, Write},
    os::fd::AsFd,
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    thread::{self, JoinHandle as Thread},
    time::Duration,
};

use nix::sys::stat::fstat;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpStream, UnixStream},
    sync::Notify,
    task::{JoinHandle, LocalSet, spawn_local, yield_now},
    time::{Instant, interval},
};

use crate::{
    policy::Timeouts,
    relay::{Clock, Pool, Stream, Traffic, Worker, outcome::Outcome, relay},
    sys::send_queue::unacknowledged,
};

/// How often the tests' clock is set.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// No bound in time.
pub(super) const UNBOUNDED: Timeouts = Timeouts { idle: None, half_closed: None, lifetime: None };

/// Which sockets a session joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Tcp,
    Unix,
    TcpToUnix,
    UnixToTcp,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Tcp, Self::Unix, Self::TcpToUnix, Self::UnixToTcp];
}

/// A session, and the test's ends of it.
pub(super) struct Rig {
    pub(super) client: Peer,
    pub(super) backend: Peer,
    pub(super) session: JoinHandle<(Outcome, Traffic)>,
    pub(super) stop: Rc<Notify>,
    pub(super) worker: Rc<Worker>,
    /// The relay's sockets.
    pub(super) inodes: [u64; 2],
}

impl Rig {
    pub(super) async fn new(kind: Kind, pipes: usize, timeouts: Timeouts) -> Self {
        Self::with_worker(kind, worker(pipes), timeouts).await
    }

    pub(super) async fn with_worker(kind: Kind, worker: Rc<Worker>, timeouts: Timeouts) -> Self {
        let (client_tcp, backend_tcp) = (
            matches!(kind, Kind::Tcp | Kind::TcpToUnix),
            matches!(kind, Kind::Tcp | Kind::UnixToTcp),
        );
        let (client, near_client) = pair(client_tcp).await;
        let (backend, near_backend) = pair(backend_tcp).await;
        let inodes = [&near_client, &near_backend].map(|stream| fstat(stream).unwrap().st_ino);
        let stop = Rc::new(Notify::new());
        let (stopped, of_session) = (stop.clone(), worker.clone());
        let session = spawn_local(async move {
            let stopped = pin!(stopped.notified());
            relay(near_client, near_backend, &timeouts, &of_session, stopped).await
        });
        Self { client, backend, session, stop, worker, inodes }
    }

    /// Makes the kernel hold little of what nobody reads.
    pub(super) fn shrink_buffers(&self) {
        for peer in [&self.client, &self.backend] {
            SockRef::from(&peer.0).set_recv_buffer_size(65536).unwrap();
            SockRef::from(&peer.0).set_send_buffer_size(65536).unwrap();
        }
    }
}

async fn pair(tcp: bool) -> (Peer, Stream) {
    if !tcp {
        let (far, near) = UnixStream::pair().unwrap();
        return (Peer(Stream::Unix(far)), near.into());
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (near, _) = listener.accept().await.unwrap();
    far.set_nodelay(true).unwrap();
    near.set_nodelay(true).unwrap();
    (Peer(Stream::Tcp(far)), near.into())
}

/// A source with as much to read as it holds, a sink that takes as much, the far end of each, and
/// how much that is. Both are ready as far as the runtime knows.
pub(super) async fn full_and_empty() -> ([Peer; 2], [Stream; 2], usize) {
    let ((full, from), (empty, to)) = (pair(false).await, pair(false).await);
    for socket in [&full.0, &to] {
        // The kernel gives as much of it as it may.
        SockRef::from(socket).set_send_buffer_size(1 << 20).unwrap();
    }
    let mut queued = 0;
    poll_fn(|cx| full.0.poll_writable(cx)).await.unwrap();
    while let Ok(count) = full.0.try_write(pattern(queued, 1 << 14)) {
        queued += count;
    }
    poll_fn(|cx| from.poll_readable(cx)).await.unwrap();
    poll_fn(|cx| to.poll_writable(cx)).await.unwrap();
    ([full, empty], [from, to], queued)
}

/// What the sessions of a test share, with a clock that the rig's runtime sets.
pub(super) fn worker(pipes: usize) -> Rc<Worker> {
    let worker = Rc::new(Worker { pool: Pool::new(pipes), clock: Clock::new(Instant::now()) });
    let ticking = Rc::downgrade(&worker);
    spawn_local(async move {
        let mut ticks = interval(TICK);
        while let Some(worker) = ticking.upgrade() {
            worker.clock.advance(Instant::now());
            drop(worker);
            ticks.tick().await;
        }
    });
    worker
}

/// The test's end of a connection.
#[derive(Debug)]
pub(super) struct Peer(Stream);

impl Peer {
    /// Breaks the connection off.
    pub(super) fn reset(self) {
        if let Stream::Tcp(stream) = &self.0 {
            stream.set_zero_linger().unwrap();
        }
    }
}

impl Peer {
    /// Waits until the relay's kernel has everything that was written.
    pub(super) async fn wait_until_acknowledged(&self) {
        while unacknowledged(self.0.as_fd()).unwrap() > 0 {
            yield_now().await;
        }
    }

    /// The same socket for a thread of its own.
    fn into_blocking(self) -> std::net::TcpStream {
        let Stream::Tcp(stream) = self.0 else { panic!("a TCP peer") };
        let stream = stream.into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        stream
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.end_output())
    }
}

/// Runs a test on a runtime like a worker's; a minute is the longest any of them may take.
pub(super) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limited = tokio::time::timeout;
    LocalSet::new().block_on(&runtime, async {
        limited(Duration::from_secs(60), test).await.expect("it ends");
    });
}

/// Repeatable chance.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Some number below `bound`.
    fn roll(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % bound
    }

    /// The size of the next piece: single bytes, messages or bulk.
    fn piece(&mut self) -> usize {
        let bound = [2, 2000, 70_000, 70_000][self.roll(4)];
        1 + self.roll(bound)
    }

    /// Lets the others run now and then, for a while.
    async fn pause(&mut self) {
        if self.roll(8) == 0 {
            for _ in 0..self.roll(16) {
                yield_now().await;
            }
        }
    }
}

/// What is sent: position `at` always holds the same byte, and no two stretches look alike soon,
/// for the length of the period is a prime.
pub(super) fn pattern(at: usize, length: usize) -> &'static [u8] {
    const PERIOD: usize = 65_521;
    const LONGEST: usize = 1 << 20;
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    let pattern = PATTERN.get_or_init(|| {
        let mut dice = Dice::new(42);
        let period: Vec<u8> = (0..PERIOD).map(|_| u8::try_from(dice.roll(256)).unwrap()).collect();
        period.iter().copied().cycle().take(PERIOD + LONGEST).collect()
    });
    &pattern[at % PERIOD..][..length]
}

/// Writes the pattern from `at` on, in random pieces with random pauses.
pub(super) async fn write_pattern(
    to: &mut (impl AsyncWrite + Unpin),
    at: usize,
    length: usize,
    mut dice: Dice,
) {
    let mut done = 0;
    while done < length {
        let piece = dice.piece().min(length - done);
        to.write_all(pattern(at + done, piece)).await.unwrap();
        done += piece;
        dice.pause().await;
    }
}

/// Reads the pattern from `at` on, in random pieces with random pauses, and checks every byte.
pub(super) async fn read_pattern(
    from: &mut (impl AsyncRead + Unpin),
    at: usize,
    length: usize,
    mut dice: Dice,
) {
    let mut buffer = vec![0; 70_001];
    let mut done = 0;
    while done < length {
        let piece = dice.piece().min(length - done);
        let count = from.read(&mut buffer[..piece]).await.unwrap();
        assert_ne!(count, 0, "ended after {done} of {length}");
        assert!(buffer[..count] == *pattern(at + done, count), "other bytes, after {done}");
        done += count;
        dice.pause().await;
    }
}

/// Two threads that send and receive as fast as they can until the flag is set; the receiver
/// returns the number of bytes.
pub(super) fn bulk_on_threads(source: Peer, sink: Peer) -> (Thread<u64>, Arc<AtomicBool>) {
    let (mut source, mut sink) = (source.into_blocking(), sink.into_blocking());
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            source.write_all(pattern(0, 1 << 18)).unwrap();
        }
    });
    let reader = thread::spawn(move || io::copy(&mut sink, &mut io::sink()).unwrap());
    (reader, stop)
}

/// Whether this process still has that socket.
pub(super) fn is_open(inode: u64) -> bool {
    let name = format!("socket:[{inode}]");
    fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .any(|target| target.as_os_str() == name.as_str())
}
