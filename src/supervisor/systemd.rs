//! The service manager: what it is told, and the sockets that it keeps for the process after this
//! one. Without one, all of this is silence.

mod passed;
mod store;

use std::{os::fd::BorrowedFd, time::Duration};

use tokio::time::{Instant, sleep_until};
use tracing::warn;

pub(super) use self::{
    passed::address_of,
    store::{Keep, name_of},
};

use self::store::Store;
use super::Supervisor;
use crate::{
    runtime::Workers,
    sys::systemd::{Notify, Passed, Provided, monotonic_microseconds},
};

/// The service manager of this process. A process that has handed over has none any more: what it
/// says would be taken for the word of its successor.
#[derive(Debug, Default)]
pub(super) struct Systemd {
    notify: Option<Notify>,
    watchdog: Option<Watchdog>,
    store: Store,
    reloading: bool,
    /// What the status line says.
    status: String,
    /// Whether the last message failed, which is said once.
    unheard: bool,
}

/// The sign of life that is due, or the service manager ends this process.
#[derive(Debug, Clone, Copy)]
struct Watchdog {
    /// Half of the time that it allows, as `man 3 sd_watchdog_enabled` asks for.
    every: Duration,
    due: Instant,
}

impl Systemd {
    /// The service manager, and what it has passed.
    pub(super) fn of(provided: Provided) -> (Self, Vec<Passed>) {
        let Provided { notify, watchdog, passed } = provided;
        let watchdog = watchdog.map(|within| Watchdog { every: within / 2, due: Instant::now() });
        (Self { notify, watchdog, ..Self::default() }, passed)
    }

    /// All listeners serve. `took_over` means that this process is not the one that was started by
    /// the service manager, but its successor.
    pub(super) fn serving(&mut self, took_over: bool, status: String) {
        let main =
            if took_over { format!("MAINPID={}\n", std::process::id()) } else { String::new() };
        self.say(&format!("{main}READY=1\nSTATUS={status}"));
        self.status = status;
    }

    /// The file is looked at, because somebody has asked or because it has changed.
    pub(super) fn reloading(&mut self) {
        if self.reloading {
            return;
        }
        match monotonic_microseconds() {
            Ok(now) => self.say(&format!("RELOADING=1\nMONOTONIC_USEC={now}")),
            Err(error) => warn!(%error, "there is no time to say that this is a reload"),
        }
        self.reloading = true;
    }

    /// Whatever was going on is over, and this is how things are now.
    pub(super) fn settled(&mut self, status: String) {
        let ready = if std::mem::take(&mut self.reloading) { "READY=1\n" } else { "" };
        if !ready.is_empty() || status != self.status {
            self.say(&format!("{ready}STATUS={status}"));
            self.status = status;
        }
    }

    /// This process ends, and no other takes its place.
    pub(super) fn stopping(&mut self, sessions: usize) {
        self.say(&format!("STOPPING=1\nSTATUS=draining, sessions {sessions}"));
    }

    /// Resolves when a sign of life is due and every worker has given one; never when a worker is
    /// stuck or lost, or nobody wants to know.
    pub(super) async fn pulse(&self, workers: &Workers) {
        if let Some(watchdog) = self.watchdog {
            sleep_until(watchdog.due).await;
            if workers.answer().await.is_ok() {
                return;
            }
        }
        std::future::pending().await
    }

    /// Gives the sign of life.
    pub(super) fn alive(&mut self) {
        self.say("WATCHDOG=1");
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.due = Instant::now() + watchdog.every;
        }
    }

    fn forget(&mut self, name: &str) {
        self.say(&store::removal(name));
    }

    fn say(&mut self, state: &str) {
        self.send(state, &[]);
    }

    /// Whether it was heard.
    fn send(&mut self, state: &str, descriptors: &[BorrowedFd<'_>]) -> bool {
        let Some(notify) = &self.notify else { return false };
        let sent = notify.send(state, descriptors);
        if let Err(error) = &sent
            && !self.unheard
        {
            warn!(%error, "the service manager does not hear");
        }
        self.unheard = sent.is_err();
        sent.is_ok()
    }
}

impl Supervisor<'_> {
    /// The status line.
    pub(super) fn status_line(&self) -> String {
        let (generation, listeners) = (self.generation, self.policy.listeners.len());
        let mut line = format!(
            "generation {generation}, listeners {listeners}, sockets {}",
            self.sockets.count()
        );
        if !self.plan.parked.is_empty() {
            line += &format!(", not bound yet {}", self.plan.parked.len());
        }
        if let Some(rejection) = &self.rejected {
            let findings = rejection.findings.len();
            line += &format!("; the change of the file is not in force, findings {findings}");
        }
        line
    }
}
