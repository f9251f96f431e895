//! The same over a line with a round trip of 20 ms, where handshakes are always under way.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{admin_of, broken, number_of, replaceable};
use crate::support::{
    eventually,
    far::{NEAR, on_the_far_side},
    handover::End,
    namespace::in_namespace,
    wait::DEADLINE,
};

/// Names how many connections a second there are to be.
const RATE: &str = "PORTCULLIS_TEST_RATE";

/// One way.
const DELAY: Duration = Duration::from_millis(10);

/// Connections begin so often, as many as make the rate.
const TICK: Duration = Duration::from_millis(5);

/// How it goes.
#[derive(Default)]
struct Clients {
    over: AtomicBool,
    served: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

impl Clients {
    /// Begins so many connections a second, whatever becomes of those before.
    async fn come(self: Arc<Self>, rate: usize) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (mut clients, mut due) = (JoinSet::new(), 0);
        while !self.over.load(SeqCst) {
            tick.tick().await;
            due += rate;
            for _ in 0..due / 200 {
                let count = Arc::clone(&self);
                clients.spawn(async move {
                    match timeout(DEADLINE, one()).await {
                        Ok(Ok(())) => _ = count.served.fetch_add(1, SeqCst),
                        failed => count.failures.lock().unwrap().push(format!("{failed:?}")),
                    }
                });
            }
            due %= 200;
            while clients.try_join_next().is_some() {}
        }
        while clients.join_next().await.is_some() {}
    }

    /// Waits until as many have been served as come in a quarter of a second, or one was not.
    #[track_caller]
    fn come_through(&self, rate: usize) {
        let wanted = self.served.load(SeqCst) + rate / 4;
        eventually("clients come through", || {
            self.served.load(SeqCst) >= wanted || !self.failures.lock().unwrap().is_empty()
        });
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

#[test]
#[expect(clippy::print_stdout, reason = "how many clients there were is what it shows")]
fn upgrades_of_which_a_third_fails_lose_no_connection_over_a_line_with_a_delay() {
    let (upgrades, rate) = (number_of(super::UPGRADES, 6), number_of(RATE, 200));
    in_namespace(
        "upgrade::far::upgrades_of_which_a_third_fails_lose_no_connection_over_a_line_with_a_delay",
        || {
            let clients = Arc::new(Clients::default());
            let (coming, go) = (Arc::clone(&clients), Arc::new(AtomicBool::new(false)));
            let start = Arc::clone(&go);
            let far_side = on_the_far_side(DELAY, move || {
                eventually("the program serves", || start.load(SeqCst));
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(coming.come(rate));
            });
            let text = format!(
                "portcullis: 1\nlisteners:\n  web:\n    expose: {{ private: {{ address: {NEAR} }} }}\n    \
                 port: 8080\n    fanout: 2\n    serve: status\nruntime: {{ drain: 1s }}\n"
            );
            let mut program = replaceable(&text);
            go.store(true, SeqCst);
            clients.come_through(rate);
            let scripts = broken::scripts();
            for number in 0..upgrades {
                match number % 6 {
                    2 => {
                        broken::replace(&program, &scripts[number / 6 % scripts.len()].0);
                        assert_eq!(program.told(&["upgrade"]).code, Some(4));
                        broken::replace(&program, "the program");
                    }
                    5 => drop({
                        let mut end = End::of(&admin_of(&program));
                        (end.take(), end)
                    }),
                    _ => program.upgrade(),
                }
                clients.come_through(rate);
            }
            clients.over.store(true, SeqCst);
            far_side.join().unwrap();
            let (served, failures) =
                (clients.served.load(SeqCst), clients.failures.lock().unwrap());
            assert!(failures.is_empty(), "of {served}: {} failed: {failures:?}", failures.len());
            println!("counted: {upgrades} upgrades over 20 ms, {served} clients, none lost");
        },
    );
}
