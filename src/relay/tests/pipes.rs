//! Pipes are lent while there are any, and never with bytes in them.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::{
    MEBIBYTE,
    rig::{self, Dice, Kind, Rig, UNBOUNDED, pattern, read_pattern, run, write_pattern},
};
use crate::relay::{outcome::Outcome, pool::BUFFER_BYTES};

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
