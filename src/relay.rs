//! Moving the bytes of a session between its client and its backend.
//!
//! One task drives both directions. An idle session holds no buffer and no pipe: bytes are read
//! into a buffer of the worker and written at once, and only what the other side does not take
//! stays in it. Bulk moves through a pipe of the worker with `splice(2)`. A side is not read while
//! the other one is not writable, and that is all the flow control there is.
//!
//! An end is passed on as an end and a reset as a reset, and neither before every byte that came
//! ahead of it.

mod clock;
mod direction;
mod duplex;
mod gear;
pub mod outcome;
mod pool;
mod stream;

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
};

pub use clock::Clock;
pub use pool::Pool;
pub use stream::Stream;

use crate::policy::Timeouts;
use duplex::{Duplex, Ending};
use outcome::Outcome;

/// What the sessions of one worker share.
#[derive(Debug)]
pub struct Worker {
    /// Its buffers and pipes.
    pub pool: Pool,
    /// Its clock.
    pub clock: Clock,
}

/// Bytes that the two sides of a session were given.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// From the client.
    pub to_backend: u64,
    /// From the backend.
    pub to_client: u64,
}

/// Joins a client to its backend until both have ended, either breaks off, the time is up, or
/// `stop` is ready. Closes both, and says why and how much was moved.
///
/// `stop` is polled in place, so that the size of a session counts it once: pass `pin!(future)`.
///
/// Dropping the future closes both sides at once, with a reset where input is unread.
pub fn relay<'w>(
    client: Stream,
    backend: Stream,
    timeouts: &'w Timeouts,
    worker: &'w Worker,
    mut stop: impl Future<Output = ()> + Unpin,
) -> impl Future<Output = (Outcome, Traffic)> {
    // Made outside of the future, which would otherwise hold both its arguments and what it makes
    // of them.
    let mut duplex = Duplex::new(client, backend, timeouts, worker);
    async move {
        let ending = {
            let mut timer = pin!(None);
            poll_fn(|cx| duplex.poll(cx, Pin::new(&mut stop), timer.as_mut())).await
        };
        let traffic = duplex.traffic();
        let outcome = match ending {
            Ending::Orderly(outcome) => outcome,
            Ending::Reset(side) => {
                // On the heap, because it is rare and would make every session larger.
                Box::pin(duplex.reset_other(side)).await;
                side.reset()
            }
        };
        (outcome, traffic)
    }
}

#[cfg(test)]
mod tests;
