//! Sessions end when their time is up, and when they are told to.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use super::{
    PIPES,
    rig::{self, Kind, Rig, UNBOUNDED, run},
};
use crate::{
    policy::Timeouts,
    relay::{Traffic, outcome::Outcome},
};

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
