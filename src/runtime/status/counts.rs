//! What is counted, as text.

use std::fmt;

use super::StatusView;
use crate::{relay::outcome::Outcome, runtime::tally::Tallies, telemetry::Counter};

/// Every count as a line: `process NAME VALUE` or `listener LISTENER NAME VALUE`.
///
/// The names are those of [`Counter`] and, after `ended_`, of [`Outcome`], and never change. The
/// process has every line; a listener only those that are not zero, which bounds the text by what
/// has happened, and in any case by listeners times names.
pub(super) struct Counts<'a>(pub(super) &'a StatusView);

impl fmt::Display for Counts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = self.0;
        let sessions = view.listeners.iter().map(|line| u64::from(line.gate.sessions())).sum();
        write(f, "process", sessions, &view.tallies, |_| true)?;
        for line in &view.listeners {
            let of = format!("listener {}", line.listener);
            let sessions = u64::from(line.gate.sessions());
            write(f, &of, sessions, line.gate.tallies(), |count| count > 0)?;
        }
        Ok(())
    }
}

fn write(
    f: &mut fmt::Formatter<'_>,
    of: &str,
    sessions: u64,
    tallies: &Tallies,
    shown: impl Fn(u64) -> bool,
) -> fmt::Result {
    if shown(sessions) {
        writeln!(f, "{of} sessions {sessions}")?;
    }
    for counter in Counter::ALL {
        let count = tallies.read(*counter);
        if shown(count) {
            writeln!(f, "{of} {} {count}", counter.name())?;
        }
    }
    for (outcome, count) in tallies.outcomes() {
        if shown(count) {
            writeln!(f, "{of} ended_{outcome} {count}")?;
        }
    }
    Ok(())
}

/// What the page shows of a listener.
pub(super) struct Summary {
    pub(super) admitted: u64,
    pub(super) turned_away: u64,
    pub(super) limit_reached: u64,
    pub(super) to_backend: u64,
    pub(super) to_client: u64,
}

impl Summary {
    pub(super) fn of(tallies: &Tallies) -> Self {
        let is_denied = |outcome: &Outcome| matches!(outcome, Outcome::Denied(_));
        let denied = tallies.outcomes().into_iter().filter(|(outcome, _)| is_denied(outcome));
        Self {
            admitted: tallies.read(Counter::SessionsAdmitted),
            turned_away: denied.map(|(_, count)| count).sum(),
            limit_reached: tallies.read(Counter::ConnectionsReached)
                + tallies.read(Counter::RateReached),
            to_backend: tallies.read(Counter::BytesToBackend),
            to_client: tallies.read(Counter::BytesToClient),
        }
    }
}
