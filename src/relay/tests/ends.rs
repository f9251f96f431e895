//! Ends and resets are passed on as what they are, after what came before them.

use std::{io::ErrorKind, time::Duration};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    MEBIBYTE, PIPES,
    rig::{self, Dice, Kind, Rig, UNBOUNDED, pattern, read_pattern, run, write_pattern},
};
use crate::{
    policy::Timeouts,
    relay::{Traffic, direction::DISCARD_BYTES, outcome::Outcome, pool::BUFFER_BYTES},
};

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
