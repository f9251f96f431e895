//! Every byte arrives, once and in order.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    MEBIBYTE, PIPES,
    rig::{Dice, Kind, Rig, UNBOUNDED, pattern, read_pattern, run, write_pattern},
};
use crate::relay::{Traffic, outcome::Outcome, pool::BUFFER_BYTES};

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
