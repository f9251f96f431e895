//! Clients at the other end of a line with a round trip of 20 ms. They begin at a steady rate,
//! whatever becomes of those before, so handshakes are always under way.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Builder,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    far::{NEAR, on_the_far_side},
    wait::{DEADLINE, eventually},
};

/// Names how many connections a second there are to be.
const RATE: &str = "PORTCULLIS_TEST_RATE";

/// How many there are without it.
const WITHOUT: usize = 200;

/// One way.
const DELAY: Duration = Duration::from_millis(10);

/// Connections begin so often, as many as make the rate.
const TICK: Duration = Duration::from_millis(5);

/// Ticks a second.
const TICKS: usize = 200;

/// Clients that ask for the state of what listens at port 8080 of [`NEAR`].
pub(crate) struct Arrivals {
    rate: usize,
    clients: Arc<Clients>,
    far_side: JoinHandle<()>,
}

/// How it goes.
#[derive(Default)]
struct Clients {
    begin: AtomicBool,
    over: AtomicBool,
    served: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

impl Arrivals {
    /// Sets up the line, over which nobody comes yet.
    #[track_caller]
    pub(crate) fn over_a_line() -> Self {
        let rate = std::env::var(RATE).map_or(WITHOUT, |text| text.parse().unwrap());
        let clients = Arc::new(Clients::default());
        let coming = Arc::clone(&clients);
        let far_side = on_the_far_side(DELAY, move || {
            eventually("the program serves", || coming.begin.load(SeqCst));
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(coming.come(rate));
        });
        Self { rate, clients, far_side }
    }

    /// Lets them come, and waits until some have been served.
    #[track_caller]
    pub(crate) fn begin(&self) {
        self.clients.begin.store(true, SeqCst);
        self.come_through();
    }

    /// Waits until as many have been served as come in a quarter of a second, or one was not.
    #[track_caller]
    pub(crate) fn come_through(&self) {
        let wanted = self.clients.served.load(SeqCst) + self.rate / 4;
        eventually("clients come through", || {
            let failed = !self.clients.failures.lock().unwrap().is_empty();
            self.clients.served.load(SeqCst) >= wanted || failed
        });
    }

    /// Lets nobody come any more. Returns how many were served; panics if one was not.
    #[track_caller]
    pub(crate) fn end(self) -> usize {
        self.clients.over.store(true, SeqCst);
        self.far_side.join().unwrap();
        let (served, failures) =
            (self.clients.served.load(SeqCst), self.clients.failures.lock().unwrap());
        assert!(failures.is_empty(), "of {served}: {} failed: {failures:?}", failures.len());
        served
    }
}

impl Clients {
    /// Begins so many connections a second.
    async fn come(self: Arc<Self>, rate: usize) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (mut clients, mut due) = (JoinSet::new(), 0);
        while !self.over.load(SeqCst) {
            tick.tick().await;
            due += rate;
            for _ in 0..due / TICKS {
                let count = Arc::clone(&self);
                clients.spawn(async move {
                    match timeout(DEADLINE, one()).await {
                        Ok(Ok(())) => _ = count.served.fetch_add(1, SeqCst),
                        failed => count.failures.lock().unwrap().push(format!("{failed:?}")),
                    }
                });
            }
            due %= TICKS;
            while clients.try_join_next().is_some() {}
        }
        while clients.join_next().await.is_some() {}
    }
}

/// One connection, one question, and the whole answer.
async fn one() -> std::io::Result<()> {
    let mut stream = TcpStream::connect((NEAR, 8080)).await?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok\n") {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(std::io::Error::other("it ended early"));
        }
    }
    // Leaving by a reset keeps the port free for the next of so many clients.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))
}
