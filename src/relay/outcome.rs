//! Why a session ended. Every session ends in exactly one of these, and is counted under it once.

use std::fmt;

use crate::admit::Reason;

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Both sides ended in order, the client first.
    ClientClosed,
    /// Both sides ended in order, the backend first.
    BackendClosed,
    /// The client broke the connection off.
    ClientReset,
    /// The backend broke the connection off.
    BackendReset,
    /// No byte moved for `timeouts.idle`.
    Idle,
    /// One side had ended, and no byte moved for `timeouts.half_closed`.
    HalfClosed,
    /// It had lasted for `timeouts.lifetime`.
    Lifetime,
    /// The client was turned away at the door.
    Denied(Reason),
    /// No backend was left to try.
    NoBackend,
    /// The last backend tried could not be reached.
    ConnectFailed(ConnectFailure),
    /// It was still open when the time to drain was over, or when the process stopped at once.
    Drained,
    /// It was answered here, by the status page.
    Answered,
    /// A mistake of ours ended it.
    Panicked,
}

/// Why a backend could not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectFailure {
    /// It answered that nothing listens there.
    Refused,
    /// It did not answer within `connect.timeout`.
    TimedOut,
    /// The network answered in its place.
    Unreachable,
    /// This host had no port, descriptor or memory for it. Says nothing about the backend.
    Local,
}

impl Outcome {
    /// Every outcome there is, for whoever keeps a count of each.
    pub const ALL: [Self; 20] = [
        Self::ClientClosed,
        Self::BackendClosed,
        Self::ClientReset,
        Self::BackendReset,
        Self::Idle,
        Self::HalfClosed,
        Self::Lifetime,
        Self::Denied(Reason::NotAClient),
        Self::Denied(Reason::TooMany),
        Self::Denied(Reason::TooFast),
        Self::Denied(Reason::NotExposed),
        Self::Denied(Reason::Full),
        Self::NoBackend,
        Self::ConnectFailed(ConnectFailure::Refused),
        Self::ConnectFailed(ConnectFailure::TimedOut),
        Self::ConnectFailed(ConnectFailure::Unreachable),
        Self::ConnectFailed(ConnectFailure::Local),
        Self::Drained,
        Self::Answered,
        Self::Panicked,
    ];

    /// Its word in the access log and in the names of metrics. People filter on it: it never
    /// changes.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ClientClosed => "client_closed",
            Self::BackendClosed => "backend_closed",
            Self::ClientReset => "client_reset",
            Self::BackendReset => "backend_reset",
            Self::Idle => "idle",
            Self::HalfClosed => "half_closed",
            Self::Lifetime => "lifetime",
            Self::Denied(Reason::NotAClient) => "denied_clients",
            Self::Denied(Reason::TooMany) => "denied_per_client",
            Self::Denied(Reason::TooFast) => "denied_per_client_rate",
            Self::Denied(Reason::NotExposed) => "denied_exposure",
            Self::Denied(Reason::Full) => "denied_connections",
            Self::NoBackend => "no_backend",
            Self::ConnectFailed(ConnectFailure::Refused) => "connect_refused",
            Self::ConnectFailed(ConnectFailure::TimedOut) => "connect_timed_out",
            Self::ConnectFailed(ConnectFailure::Unreachable) => "connect_unreachable",
            Self::ConnectFailed(ConnectFailure::Local) => "connect_local",
            Self::Drained => "drained",
            Self::Answered => "answered",
            Self::Panicked => "panicked",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Outcome;

    #[test]
    fn every_outcome_has_a_word_of_its_own() {
        let words: BTreeSet<_> = Outcome::ALL.iter().map(|outcome| outcome.word()).collect();
        assert_eq!(words.len(), Outcome::ALL.len());
        assert!(words.iter().all(|word| word.bytes().all(|b| b == b'_' || b.is_ascii_lowercase())));
    }
}
