//! Whole sessions over real sockets: the test is the client and the backend, the relay is in
//! between.

mod rig;

use std::{future::pending, io::ErrorKind, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use super::{
    Stream, Traffic, Worker,
    direction::{DISCARD_BYTES, TURN_BYTES},
    outcome::Outcome,
    pool::BUFFER_BYTES,
    relay,
};
use crate::policy::Timeouts;
use rig::{Dice, Kind, Rig, UNBOUNDED, pattern, read_pattern, run, write_pattern};

const MEBIBYTE: usize = 1024 * 1024;

/// Pipes enough for every direction of a test.
const PIPES: usize = 8;

#[test]
fn many_mebibytes_cross_both_ways_byte_for_byte() {
    for (seed, kind) in (1_u64..).zip(Kind::ALL) {
        for pipes in [0, PIPES] {
            run(async {
                let rig = Rig::new(kind, pipes, UNBOUNDED).await;
                let (mut from_client, mut to_client) = tokio::io::split(rig.client);
                let (mut from_backend, mut to_backend) = tokio::io::split(rig.backend);
                let dice = |n: u64| Dice::new(seed * 10 + n);
                tokio::join!(
                    async {
                        write_pattern(&mut to_client, 0, 8 * MEBIBYTE, dice(0)).await;
                        to_client.shutdown().await.unwrap();
                    },
                    read_pattern(&mut from_backend, 0, 8 * MEBIBYTE, dice(1)),
                    async {
                        write_pattern(&mut to_backend, 7, 9 * MEBIBYTE, dice(2)).await;
                        to_backend.shutdown().await.unwrap();
                    },
                    read_pattern(&mut from_client, 7, 9 * MEBIBYTE, dice(3)),
                );
                assert_eq!(from_client.read(&mut [0; 1]).await.unwrap(), 0);
                assert_eq!(from_backend.read(&mut [0; 1]).await.unwrap(), 0);
                let (_, traffic) = rig.session.await.unwrap();
                let (to_backend, to_client) = (8 * MEBIBYTE as u64, 9 * MEBIBYTE as u64);
                assert_eq!(traffic, Traffic { to_backend, to_client }, "{kind:?}, {pipes} pipes");
                assert_eq!(rig.worker.pool.pipes() > 0, pipes > 0);
                assert_eq!(rig.worker.pool.lent(), 0);
            });
        }
    }
}

#[test]
fn one_byte_at_a_time_arrives() {
    for kind in Kind::ALL {
        run(async {
            let mut rig = Rig::new(kind, PIPES, UNBOUNDED).await;
            for byte in 0..=255 {
                rig.client.write_all(&[byte]).await.unwrap();
                assert_eq!(rig.backend.read_u8().await.unwrap(), byte);
                rig.backend.write_all(&[!byte]).await.unwrap();
                assert_eq!(rig.client.read_u8().await.unwrap(), !byte);
            }
            drop(rig.client);
            assert_eq!(rig.backend.read(&mut [0; 1]).await.unwrap(), 0);
            drop(rig.backend);
            let traffic = Traffic { to_backend: 256, to_client: 256 };
            assert_eq!(rig.session.await.unwrap(), (Outcome::ClientClosed, traffic));
            assert_eq!(rig.worker.pool.pipes(), 0, "nothing here is worth a pipe");
        });
    }
}

#[test]
fn a_session_without_a_byte_ends_with_the_side_that_closes_first() {
    for kind in Kind::ALL {
        run(async {
            let mut rig = Rig::new(kind, PIPES, UNBOUNDED).await;
            drop(rig.client);
            assert_eq!(rig.backend.read(&mut [0; 1]).await.unwrap(), 0);
            drop(rig.backend);
            assert_eq!(rig.session.await.unwrap(), (Outcome::ClientClosed, Traffic::default()));

            let mut rig = Rig::new(kind, PIPES, UNBOUNDED).await;
            drop(rig.backend);
            assert_eq!(rig.client.read(&mut [0; 1]).await.unwrap(), 0);
            drop(rig.client);
            assert_eq!(rig.session.await.unwrap(), (Outcome::BackendClosed, Traffic::default()));
        });
    }
}

#[test]
fn a_side_that_has_ended_still_receives_everything() {
    let points =
        [0, 1, 100, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1, 5 * BUFFER_BYTES, MEBIBYTE];
    for kind in Kind::ALL {
        for (seed, sent) in (1_u64..).zip(points) {
            for client_ends_first in [true, false] {
                run(async {
                    let rig = Rig::new(kind, PIPES, UNBOUNDED).await;
                    let (mut first, mut second) = if client_ends_first {
                        (rig.client, rig.backend)
                    } else {
                        (rig.backend, rig.client)
                    };
                    let dice = |n: u64| Dice::new(seed * 10 + n);
                    tokio::join!(
                        async {
                            write_pattern(&mut first, 3, sent, dice(0)).await;
                            first.shutdown().await.unwrap();
                        },
                        async {
                            read_pattern(&mut second, 3, sent, dice(1)).await;
                            assert_eq!(second.read(&mut [0; 1]).await.unwrap(), 0);
                        },
                    );
                    tokio::join!(
                        async {
                            write_pattern(&mut second, 5, MEBIBYTE, dice(2)).await;
                            second.shutdown().await.unwrap();
                        },
                        async {
                            read_pattern(&mut first, 5, MEBIBYTE, dice(3)).await;
                            assert_eq!(first.read(&mut [0; 1]).await.unwrap(), 0);
                        },
                    );
                    let (outcome, _) = rig.session.await.unwrap();
                    let expected = if client_ends_first {
                        Outcome::ClientClosed
                    } else {
                        Outcome::BackendClosed
                    };
                    assert_eq!(outcome, expected, "{kind:?} after {sent} bytes");
                    assert_eq!(rig.worker.pool.lent(), 0);
                });
            }
        }
    }
}

#[test]
fn a_reset_is_passed_on_after_the_bytes_before_it() {
    for client_resets in [true, false] {
        for sent in [0, 1000, 3 * MEBIBYTE] {
            run(async {
                let rig = Rig::new(Kind::Tcp, PIPES, UNBOUNDED).await;
                let (mut breaking, mut other) = if client_resets {
                    (rig.client, rig.backend)
                } else {
                    (rig.backend, rig.client)
                };
                // Until the last byte is there, so that the kernel of the side that breaks off has
                // none to lose.
                tokio::join!(
                    write_pattern(&mut breaking, 0, sent, Dice::new(1)),
                    read_pattern(&mut other, 0, sent, Dice::new(2)),
                );
                breaking.reset();
                let error = other.read(&mut [0; 1]).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                let (outcome, traffic) = rig.session.await.unwrap();
                let expected =
                    if client_resets { Outcome::ClientReset } else { Outcome::BackendReset };
                assert_eq!(outcome, expected);
                assert_eq!(traffic.to_backend + traffic.to_client, sent as u64);
                assert_eq!(rig.worker.pool.lent(), 0);
            });
        }
    }
}

#[test]
fn a_reset_waits_until_a_slow_reader_has_what_came_before_it() {
    run(async {
        let mut rig = Rig::new(Kind::Tcp, PIPES, UNBOUNDED).await;
        // More than the client's kernel takes unread, less than the relay's kernel does.
        rig.shrink_buffers();
        let sent = 200_000;
        write_pattern(&mut rig.backend, 0, sent, Dice::new(1)).await;
        rig.backend.wait_until_acknowledged().await;
        rig.backend.reset();
        read_pattern(&mut rig.client, 0, sent, Dice::new(2)).await;
        assert!(rig.client.read(&mut [0; 1]).await.is_err());
        assert_eq!(rig.session.await.unwrap().0, Outcome::BackendReset);
    });
}

#[test]
fn a_response_survives_a_backend_that_closes_while_the_client_is_sending() {
    for kind in [Kind::Tcp, Kind::TcpToUnix] {
        run(async {
            let mut rig = Rig::new(kind, PIPES, UNBOUNDED).await;
            rig.client.write_all(b"an upload").await.unwrap();
            rig.backend.read_exact(&mut [0; 9]).await.unwrap();
            write_pattern(&mut rig.backend, 0, MEBIBYTE / 4, Dice::new(1)).await;
            drop(rig.backend);
            // What the client still sends meets a socket that is closed.
            for _ in 0..8 {
                rig.client.write_all(pattern(0, BUFFER_BYTES)).await.unwrap();
                tokio::task::yield_now().await;
            }
            read_pattern(&mut rig.client, 0, MEBIBYTE / 4, Dice::new(2)).await;
            assert_eq!(rig.client.read(&mut [0; 1]).await.unwrap(), 0, "an end, no reset");
            drop(rig.client);
            assert_eq!(rig.session.await.unwrap().0, Outcome::BackendClosed);
        });
    }
}

#[test]
fn input_that_nobody_wants_is_read_within_bounds() {
    run(async {
        let mut rig = Rig::new(Kind::Tcp, PIPES, UNBOUNDED).await;
        drop(rig.backend);
        assert_eq!(rig.client.read(&mut [0; 1]).await.unwrap(), 0);
        let mut sent = 0;
        while rig.client.write_all(pattern(0, BUFFER_BYTES)).await.is_ok() {
            sent += BUFFER_BYTES;
            assert!(sent < 64 * MEBIBYTE, "the relay closes at last");
        }
        assert!(sent as u64 >= DISCARD_BYTES);
        assert_eq!(rig.session.await.unwrap().0, Outcome::BackendClosed);
    });
}

#[test]
fn a_slow_reader_slows_the_writer_and_costs_no_memory() {
    for kind in Kind::ALL {
        for pipes in [0, PIPES] {
            run(async {
                let mut rig = Rig::new(kind, pipes, UNBOUNDED).await;
                rig.shrink_buffers();
                let mut taken = 0;
                // The writer is stalled when the relay has not taken a byte for a while.
                while let Ok(count) = tokio::time::timeout(
                    Duration::from_millis(100),
                    rig.client.write(pattern(taken, BUFFER_BYTES)),
                )
                .await
                {
                    taken += count.unwrap();
                    assert!(taken < 64 * MEBIBYTE, "{kind:?}: nobody is reading this");
                }
                assert!(rig.worker.pool.lent() <= 1, "one direction, so one buffer or one pipe");
                let rest = 4 * MEBIBYTE;
                let (mut from_backend, _to_backend) = tokio::io::split(rig.backend);
                tokio::join!(
                    async {
                        write_pattern(&mut rig.client, taken, rest, Dice::new(1)).await;
                        rig.client.shutdown().await.unwrap();
                    },
                    read_pattern(&mut from_backend, 0, taken + rest, Dice::new(2)),
                );
                assert_eq!(rig.worker.pool.lent(), 0);
            });
        }
    }
}

#[test]
fn bulk_and_messages_may_alternate() {
    for kind in Kind::ALL {
        run(async {
            let rig = Rig::new(kind, PIPES, UNBOUNDED).await;
            let (mut client, mut backend) = (rig.client, rig.backend);
            let mut at = 0;
            for round in 0..20 {
                for size in [2 * MEBIBYTE, 1, 10, 100, 1000, 3, 5] {
                    tokio::join!(
                        write_pattern(&mut client, at, size, Dice::new(round)),
                        read_pattern(&mut backend, at, size, Dice::new(round + 1)),
                    );
                    at += size;
                    assert_eq!(rig.worker.pool.lent(), 0, "an idle session holds nothing");
                }
            }
            assert!(rig.worker.pool.pipes() > 0);
            assert_eq!(rig.worker.pool.refusals(), 0);
        });
    }
}

#[test]
fn without_a_pipe_bulk_is_copied_and_counted() {
    run(async {
        let worker = rig::worker(1);
        // The first session stalls with the only pipe in its hand.
        let mut holder = Rig::with_worker(Kind::Tcp, worker.clone(), UNBOUNDED).await;
        let mut sent = 0;
        while let Ok(count) = tokio::time::timeout(
            Duration::from_millis(100),
            holder.client.write(pattern(sent, MEBIBYTE)),
        )
        .await
        {
            sent += count.unwrap();
        }
        assert_eq!((worker.pool.pipes(), worker.pool.lent()), (1, 1));
        let rig = Rig::with_worker(Kind::Tcp, worker.clone(), UNBOUNDED).await;
        let (mut client, mut backend) = (rig.client, rig.backend);
        tokio::join!(
            write_pattern(&mut client, 0, 4 * MEBIBYTE, Dice::new(1)),
            read_pattern(&mut backend, 0, 4 * MEBIBYTE, Dice::new(2)),
        );
        assert!(worker.pool.refusals() > 0);
        read_pattern(&mut holder.backend, 0, sent, Dice::new(3)).await;
    });
}

#[test]
fn a_session_that_breaks_off_with_a_full_pipe_leaves_nothing_to_the_next() {
    run(async {
        let worker = rig::worker(1);
        let mut rig = Rig::with_worker(Kind::Tcp, worker.clone(), UNBOUNDED).await;
        let secret = [0xee; BUFFER_BYTES];
        while let Ok(count) =
            tokio::time::timeout(Duration::from_millis(100), rig.client.write(&secret)).await
        {
            count.unwrap();
        }
        assert_eq!(worker.pool.lent(), 1);
        rig.backend.reset();
        assert_eq!(rig.session.await.unwrap().0, Outcome::BackendReset);
        assert_eq!(worker.pool.lent(), 0);
        let rig = Rig::with_worker(Kind::Tcp, worker.clone(), UNBOUNDED).await;
        let (mut client, mut backend) = (rig.client, rig.backend);
        tokio::join!(
            write_pattern(&mut client, 0, 4 * MEBIBYTE, Dice::new(1)),
            read_pattern(&mut backend, 0, 4 * MEBIBYTE, Dice::new(2)),
        );
        assert_eq!(worker.pool.pipes(), 1);
    });
}

#[test]
fn each_timeout_ends_the_session_when_it_is_due() {
    let due = Duration::from_millis(150);
    let idle = Timeouts { idle: Some(due), ..UNBOUNDED };
    let half_closed = Timeouts { half_closed: Some(due), idle: Some(due / 3), ..UNBOUNDED };
    let lifetime = Timeouts { lifetime: Some(due), ..UNBOUNDED };
    for (timeouts, expected) in
        [(idle, Outcome::Idle), (half_closed, Outcome::HalfClosed), (lifetime, Outcome::Lifetime)]
    {
        run(async {
            let start = Instant::now();
            let mut rig = Rig::new(Kind::Tcp, PIPES, timeouts).await;
            if expected == Outcome::HalfClosed {
                rig.client.shutdown().await.unwrap();
                assert_eq!(rig.backend.read(&mut [0; 1]).await.unwrap(), 0);
            } else {
                assert_eq!(rig.backend.read(&mut [0; 1]).await.unwrap(), 0, "an end, no reset");
            }
            assert_eq!(rig.client.read(&mut [0; 1]).await.unwrap(), 0, "an end, no reset");
            assert!(start.elapsed() >= due - rig::TICK, "{expected}: not before");
            drop((rig.client, rig.backend));
            assert_eq!(rig.session.await.unwrap().0, expected);
        });
    }
}

#[test]
fn activity_either_way_puts_idle_off() {
    let idle = Duration::from_millis(200);
    run(async {
        let mut rig = Rig::new(Kind::Tcp, PIPES, Timeouts { idle: Some(idle), ..UNBOUNDED }).await;
        let start = Instant::now();
        let mut ticks = tokio::time::interval(idle / 4);
        while start.elapsed() < 3 * idle {
            ticks.tick().await;
            rig.backend.write_all(&[1]).await.unwrap();
            assert_eq!(rig.client.read_u8().await.unwrap(), 1);
        }
        assert_eq!(rig.client.read(&mut [0; 1]).await.unwrap(), 0);
        drop((rig.client, rig.backend));
        assert_eq!(rig.session.await.unwrap().0, Outcome::Idle);
    });
}

#[test]
fn a_stopped_session_ends_both_sides_in_order_and_waits_for_them() {
    run(async {
        let mut rig = Rig::new(Kind::Tcp, PIPES, UNBOUNDED).await;
        rig.client.write_all(b"first").await.unwrap();
        rig.backend.read_exact(&mut [0; 5]).await.unwrap();
        rig.stop.notify_one();
        assert_eq!(rig.backend.read(&mut [0; 1]).await.unwrap(), 0);
        assert_eq!(rig.client.read(&mut [0; 1]).await.unwrap(), 0);
        // What was on its way is read, so that nobody is reset.
        rig.client.write_all(b"late").await.unwrap();
        rig.backend.write_all(b"late").await.unwrap();
        rig.client.shutdown().await.unwrap();
        rig.backend.shutdown().await.unwrap();
        let traffic = Traffic { to_backend: 5, to_client: 0 };
        assert_eq!(rig.session.await.unwrap(), (Outcome::Drained, traffic));
        assert_eq!(rig.client.read(&mut [0; 1]).await.unwrap(), 0);
        assert_eq!(rig.backend.read(&mut [0; 1]).await.unwrap(), 0);
    });
}

#[test]
fn a_stopped_session_waits_no_longer_than_a_second_for_sides_that_do_not_end() {
    run(async {
        let rig = Rig::new(Kind::Tcp, PIPES, UNBOUNDED).await;
        let start = Instant::now();
        rig.stop.notify_one();
        assert_eq!(rig.session.await.unwrap().0, Outcome::Drained);
        assert!(start.elapsed() < Duration::from_secs(3));
    });
}

#[test]
fn no_end_leaves_a_descriptor_behind() {
    const SOON: Duration = Duration::from_millis(30);
    run(async {
        for pipes in [0, PIPES] {
            for kind in Kind::ALL {
                for end in 0..5 {
                    let timeouts =
                        Timeouts { idle: Some(SOON), half_closed: Some(SOON), ..UNBOUNDED };
                    let mut rig =
                        Rig::new(kind, pipes, if end == 4 { timeouts } else { UNBOUNDED }).await;
                    let inodes = rig.inodes;
                    write_pattern(&mut rig.client, 0, BUFFER_BYTES, Dice::new(end)).await;
                    match end {
                        0 => drop((rig.client, rig.backend)),
                        1 => drop((rig.backend.reset(), rig.client)),
                        2 => drop((rig.client.reset(), rig.backend)),
                        3 => {
                            rig.stop.notify_one();
                            drop((rig.client, rig.backend));
                        }
                        _ => {
                            while rig.client.read(&mut [0; 1]).await.unwrap() > 0 {}
                            drop((rig.client, rig.backend));
                        }
                    }
                    rig.session.await.unwrap();
                    assert!(
                        inodes.iter().all(|&inode| !rig::is_open(inode)),
                        "{kind:?}, end {end}"
                    );
                    assert_eq!(rig.worker.pool.lent(), 0);
                }
            }
        }
    });
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
