//! Whole sessions over real sockets: the test is the client and the backend, the relay is in
//! between.

mod bytes;
mod ends;
mod pipes;
mod rig;
mod time;

use std::{future::pending, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use super::{
    Stream, Worker,
    direction::{Direction, TURN_BYTES, Wait},
    relay,
};
use crate::policy::Timeouts;
use rig::{Kind, Rig, UNBOUNDED, run};

const MEBIBYTE: usize = 1024 * 1024;

/// Pipes enough for every direction of a test.
const PIPES: usize = 8;

#[test]
fn a_turn_ends_after_a_named_number_of_bytes_though_more_could_be_moved() {
    for pipes in [0, PIPES] {
        run(async {
            let worker = rig::worker(pipes);
            let (_ends, [from, to], queued) = rig::full_and_empty().await;
            // The last read of a turn may overrun it.
            let longest = 2 * TURN_BYTES;
            assert!(queued > longest, "{queued} bytes are too few for this test");
            let mut direction = Direction::new();
            assert_eq!(direction.pump(&from, &to, &worker, false), Wait::Turn);
            let moved = usize::try_from(direction.moved).unwrap();
            assert!((TURN_BYTES..longest).contains(&moved), "{moved}");
        });
    }
}

#[test]
fn a_request_gets_its_turn_while_bulk_crosses_the_same_worker() {
    run(async {
        let worker = rig::worker(PIPES);
        let mut requests = Rig::with_worker(Kind::Tcp, worker.clone(), UNBOUNDED).await;
        let bulk = Rig::with_worker(Kind::Tcp, worker, UNBOUNDED).await;
        let (receiver, stop) = rig::bulk_on_threads(bulk.client, bulk.backend);
        let start = Instant::now();
        for _ in 0..200 {
            requests.client.write_all(b"?").await.unwrap();
            assert_eq!(requests.backend.read_u8().await.unwrap(), b'?');
            requests.backend.write_all(b"!").await.unwrap();
            assert_eq!(requests.client.read_u8().await.unwrap(), b'!');
        }
        assert!(start.elapsed() < Duration::from_secs(20), "turns of {TURN_BYTES} bytes");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let (_, traffic) = bulk.session.await.unwrap();
        assert_eq!(receiver.join().unwrap(), traffic.to_backend);
    });
}

#[test]
fn a_session_is_small() {
    fn size_of_output<F>(
        _: impl FnOnce(Stream, Stream, &'static Worker, &'static Timeouts) -> F,
    ) -> usize {
        size_of::<F>()
    }
    let size = size_of_output(|client, backend, worker, timeouts| {
        relay(client, backend, timeouts, worker, pending())
    });
    #[expect(
        clippy::print_stdout,
        reason = "the figure is what one wants to see when it has grown"
    )]
    {
        println!("the future of a session: {size} bytes");
    }
    assert!(size <= 512, "{size}");
}
