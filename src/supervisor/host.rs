//! The host changes, and what runs follows it.

use std::{io, time::Duration};

use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::{Event, Supervisor, apply::Refusal, binder::message::Subject, changes::HostChanges};
use crate::{
    facts::{self, Facts},
    plan::{Conflict, Unbound, build},
};

/// A look at least this often, for what nobody tells: settings of the kernel, and messages that got
/// lost without a word.
const POLL: Duration = Duration::from_secs(60);

/// The same where the kernel does not tell, and while something that could not be had is to be
/// tried again: a port may be free by now.
const SOON: Duration = Duration::from_secs(1);

/// Watches addresses and interfaces of this network namespace.
pub(super) struct HostWatch {
    /// `None` when the kernel does not tell.
    changes: Option<HostChanges>,
    /// When the next look is due without a change.
    poll: Instant,
}

impl HostWatch {
    /// Starts watching. Without the kernel's help, which is said once, only the poll remains.
    pub(super) fn new() -> Self {
        let changes = HostChanges::new()
            .inspect_err(|error| {
                warn!(%error, "no word of changed addresses; they are looked at every second");
            })
            .ok();
        let mut host = Self { changes, poll: Instant::now() };
        host.looked(false);
        host
    }

    /// Resolves when it is time to look. It may be dropped and called again at any time; what it
    /// has learnt is kept.
    pub(super) async fn time_to_look(&mut self) {
        let told = async {
            match &mut self.changes {
                Some(changes) => changes.time_to_look().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            told = told => if let Err(error) = told {
                warn!(%error, "no more word of changed addresses; they are looked at every second");
                self.changes = None;
            },
            () = sleep_until(self.poll) => {}
        }
    }

    /// Somebody has looked. `again` says that there is something to be tried again soon.
    pub(super) fn looked(&mut self, again: bool) {
        let after = if again || self.changes.is_none() { SOON } else { POLL };
        self.poll = Instant::now() + after;
    }
}

impl Supervisor<'_> {
    /// The host as it is now.
    pub(super) fn read_facts(&self) -> io::Result<Facts> {
        let facts = Facts { passed: Some(self.sockets.passed()), ..facts::live::read()? };
        Ok(self.service.facts(facts))
    }

    /// Takes over what has changed on the host: an address that came or went, a device made anew, a
    /// port that is free by now. Each bind comes by itself: one that fails goes on waiting, with
    /// its error as the reason, which is said once.
    ///
    /// Returns whether to try again soon, though nothing changes.
    pub(super) async fn follow_host(&mut self) -> bool {
        let Ok(facts) = self.read_facts() else { return true };
        if facts == self.facts && self.plan.parked.is_empty() {
            return false;
        }
        self.facts = facts;
        let mut plan = match build::build(&self.policy, &self.facts) {
            Ok(plan) => plan,
            Err(conflicts) => {
                self.note_misfit(conflicts);
                return false;
            }
        };
        self.note_misfit(Vec::new());
        if plan != self.plan
            && let Err(error) = self.service.binder.judge(Subject::Running)
        {
            // It is tried again each second, and said once.
            let said = error.to_string();
            if said != self.unfollowed {
                self.tell_refusal(&error.into());
                self.unfollowed = said;
            }
            return true;
        }
        self.unfollowed.clear();
        let mut again = false;
        while plan != self.plan {
            let errors = match self.apply(self.policy.clone(), plan.clone()).await {
                Ok(()) => return again,
                Err(Refusal::Unbound(errors)) => errors,
                Err(refusal) => {
                    self.tell_refusal(&refusal);
                    return true;
                }
            };
            again = true;
            for error in errors {
                plan.binds.remove(&*error.key);
                let reason = error.source.to_string();
                let unbound = Unbound { listener: error.listener.clone(), reason };
                if !self.plan.parked.contains(&unbound) {
                    (self.announce)(&Event::Unbound(&[error]));
                }
                plan.parked.push(unbound);
            }
        }
        again
    }

    /// Says, once, that the host no longer fits the file. What is open stays open: the kernel
    /// serves an address again when it comes back.
    fn note_misfit(&mut self, conflicts: Vec<Conflict>) {
        for conflict in conflicts.iter().filter(|conflict| !self.misfit.contains(conflict)) {
            warn!(listener = %conflict.listener, reason = %conflict.cause, "the host has changed; what runs stays");
        }
        if conflicts != self.misfit {
            self.misfit = conflicts;
            self.show(false);
        }
    }
}
