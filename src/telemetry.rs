//! What is counted, under which names, and the log of sessions.

pub mod access;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use serde::Serialize;

/// Which accepted configuration a session, a log line or a number belongs to: 1 is the one of the
/// start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $counter:ident = $name:literal,)*) => {
        /// What is counted. Every counter only grows, from the start of the process.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Counter {
            $($(#[$doc])* $counter,)*
        }

        impl Counter {
            /// Every counter, in the order in which they are shown.
            pub const ALL: &[Self] = &[$(Self::$counter,)*];

            /// The name under which it is shown.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$counter => $name,)*
                }
            }
        }
    };
}

counters! {
    /// Clients that entered.
    SessionsAdmitted = "sessions_admitted",
    /// Times that a worker left further clients in the kernel's queue because `limits.connections`
    /// was reached.
    ConnectionsReached = "limit_connections_reached",
    /// Times that a worker left further clients in the kernel's queue because `limits.rate` was
    /// reached.
    RateReached = "limit_rate_reached",
    /// Attempts to connect that a backend refused.
    ConnectsRefused = "connects_refused",
    /// Attempts to connect that took too long.
    ConnectsTimedOut = "connects_timed_out",
    /// Attempts to connect for which there was no way to the backend.
    ConnectsUnreachable = "connects_unreachable",
    /// Attempts to connect for which this host lacked a port, a descriptor or memory.
    ConnectsLocal = "connects_local",
    /// Times that bulk was copied because no pipe was to be had for splicing it.
    PipesRefused = "pipes_refused",
    /// Bytes that backends were sent; those of a session once it is over.
    BytesToBackend = "bytes_to_backend",
    /// Bytes that clients were sent; those of a session once it is over.
    BytesToClient = "bytes_to_client",
    /// Clients that were gone when they were to be accepted.
    AcceptRetries = "accept_retries",
    /// Times that a socket was left alone for want of descriptors or memory.
    AcceptPauses = "accept_pauses",
    /// Sockets given up because accepting can never work on them.
    AcceptFailures = "accept_failures",
    /// Listening sockets that a worker took up.
    SocketsTaken = "sockets_taken",
    /// Listening sockets that a worker let go.
    SocketsReleased = "sockets_released",
    /// Records of the access log thrown away because its writer was behind.
    AccessRecordsDropped = "access_records_dropped",
}

/// The counters of one worker, or of one listener there. Only the worker adds, so adding never
/// waits for another core; whoever wants to know reads them all and sums. Aligned so that two
/// workers' counters share no cache line, nor a prefetched pair of them.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counters {
    cells: [AtomicU64; Counter::ALL.len()],
}

impl Counters {
    /// Adds to a counter.
    pub fn add(&self, counter: Counter, amount: u64) {
        self.cells[counter as usize].fetch_add(amount, Ordering::Relaxed);
    }

    /// The value of a counter.
    #[must_use]
    pub fn read(&self, counter: Counter) -> u64 {
        self.cells[counter as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_counter_has_its_own_name_and_cell() {
        let names: BTreeSet<_> = Counter::ALL.iter().map(|counter| counter.name()).collect();
        assert_eq!(names.len(), Counter::ALL.len());
        let counters = Counters::default();
        for (at, counter) in Counter::ALL.iter().enumerate() {
            counters.add(*counter, at as u64 + 1);
        }
        for (at, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(counters.read(*counter), at as u64 + 1);
        }
    }
}
