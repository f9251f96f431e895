//! The host changes. The kernel tells that addresses or interfaces do; what they are is then asked
//! as a whole, for it may tell less than it should.

use std::{io, time::Duration};

use tokio::{
    io::unix::AsyncFd,
    time::{Instant, sleep_until},
};
use tracing::warn;

use super::{Event, Supervisor, apply::Refusal, binder::message::Subject, burst::Burst};
use crate::{
    facts::{self, Facts},
    plan::{Conflict, Unbound, build},
    sys::{
        netlink,
        poll::{self, Polled},
    },
};

/// A look at least this often, for what nobody tells: settings of the kernel, and messages that got
/// lost without a word.
const POLL: Duration = Duration::from_secs(60);

/// The same where the kernel does not tell, and while something that could not be had is to be
/// tried again: a port may be free by now.
const SOON: Duration = Duration::from_secs(1);

/// An interface that comes up has several changes in a row.
const QUIET: Duration = Duration::from_millis(50);

/// A host that never stops changing is looked at nevertheless, this often at the most.
const BUSY: Duration = Duration::from_secs(1);

/// Watches addresses and interfaces of this network namespace.
pub(super) struct HostWatch {
    /// `None` when the kernel does not tell.
    changes: Option<Changes>,
    /// Changes that no look has answered yet.
    changing: Option<Burst>,
    /// When the next look is due without a change.
    poll: Instant,
}

/// Where the kernel tells of changes.
struct Changes {
    watch: netlink::Watch,
    polled: AsyncFd<Polled>,
}

impl HostWatch {
    /// Starts watching. Without the kernel's help, which is said once, only the poll remains.
    pub(super) fn new() -> Self {
        let changes = Changes::new()
            .inspect_err(|error| {
                warn!(%error, "no word of changed addresses; they are looked at every second");
            })
            .ok();
        let mut host = Self { changes, changing: None, poll: Instant::now() };
        host.looked(false);
        host
    }

    /// Resolves when it is time to look. It may be dropped and called again at any time; what it
    /// has learnt is kept.
    pub(super) async fn time_to_look(&mut self) {
        loop {
            let due = self.changing.map_or(self.poll, |burst| burst.due(QUIET, BUSY));
            tokio::select! {
                result = changed(self.changes.as_ref()) => match result {
                    Ok(true) => self.changing = Some(Burst::with_event(self.changing)),
                    Ok(false) => {}
                    Err(error) => {
                        warn!(%error, "no more word of changed addresses; they are looked at every second");
                        self.changes = None;
                        return;
                    }
                },
                () = sleep_until(due) => return,
            }
        }
    }

    /// Somebody has looked. `again` says that there is something to be tried again soon.
    pub(super) fn looked(&mut self, again: bool) {
        let after = if again || self.changes.is_none() { SOON } else { POLL };
        self.changing = None;
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
            self.tell_refusal(&error.into());
            return true;
        }
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

impl Changes {
    fn new() -> io::Result<Self> {
        let watch = netlink::Watch::new()?;
        let polled = poll::readable(watch.shared())?;
        Ok(Self { watch, polled })
    }
}

/// Resolves when something may have changed.
async fn changed(changes: Option<&Changes>) -> io::Result<bool> {
    let Some(Changes { watch, polled }) = changes else { return std::future::pending().await };
    let mut ready = polled.readable().await?;
    let has_changed = watch.drain()?;
    ready.clear_ready();
    Ok(has_changed)
}
