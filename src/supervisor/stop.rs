//! The end: no new clients, time for those that are in, then the door.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tracing::{info, warn};

use super::{
    Supervisor,
    admin::{
        Question, Reply,
        protocol::{Answer, Command, State},
    },
    follow::{Asked, Signals},
    upgrade::{self, Given},
};

/// Sessions are ended by their workers at the deadline; this is the time that takes.
const AFTER_DEADLINE: Duration = Duration::from_secs(3);

/// How often the process that has taken over learns how many sessions are left here.
const TELL: Duration = Duration::from_secs(1);

/// Time for whoever asked last to read the answer.
const LAST_ANSWER: Duration = Duration::from_secs(1);

impl Supervisor<'_> {
    /// Drains and ends. A second signal ends at once.
    pub(super) async fn stop(mut self, signals: Signals) {
        self.call_off().await;
        let drain = self.policy.runtime.drain;
        info!(sessions = self.workers.sessions(), ?drain, "stopping");
        self.systemd.stopping(self.workers.sessions());
        let done = self.sockets.close_all();
        self.retire(&done).await;
        self.show(true);
        drop(done);
        self.drain(signals, None).await;
        if let Some(admin) = self.admin.take() {
            admin.socket.remove_file();
            let _too_slow = timeout(LAST_ANSWER, admin.socket.end()).await;
        }
        if let Some(lock) = self.lock.take() {
            lock.release();
        }
    }

    /// Lets another process serve, drains and ends.
    pub(super) async fn bow_out(mut self, signals: Signals, mut given: Given) {
        self.relieve(&mut given).await;
        if let Some(admin) = self.admin.take() {
            let _too_slow = timeout(LAST_ANSWER, admin.socket.end()).await;
        }
        self.drain(signals, Some(given)).await;
    }

    /// Waits for the last session, but not longer than it may take.
    async fn drain(&mut self, mut signals: Signals, mut given: Option<Given>) {
        let deadline = Instant::now() + self.policy.runtime.drain + AFTER_DEADLINE;
        // One that has handed over drains without having been told to, so it may yet be told once.
        let mut told = given.is_none();
        let mut tick = interval(TELL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let sessions = self.workers.sessions();
            tokio::select! {
                () = self.workers.emptied() => return,
                () = sleep_until(deadline) => {
                    return warn!(sessions, "sessions outlived the deadline and are cut");
                }
                asked = signals.next() => match asked {
                    Asked::Stop if told => {
                        return info!(sessions, "told again to stop; sessions are cut");
                    }
                    Asked::Stop => told = true,
                    Asked::Look => self.reopen_access_log(),
                    Asked::Reap => {}
                },
                () = upgrade::told_to_end(&mut given) => {
                    return info!(sessions, "too many processes drain; sessions are cut");
                }
                Some(question) = self.questions.recv() => self.answer_draining(question),
                _ = tick.tick() => upgrade::tell_sessions(given.as_ref(), sessions),
                () = self.systemd.pulse(&self.workers) => self.systemd.alive(),
            }
        }
    }

    /// Answers whoever asks a process that is about to end.
    fn answer_draining(&self, question: Question) {
        let reply = match question.command {
            Command::Status => Answer::Status(Box::new(self.report(State::Draining))).into(),
            Command::Drain => Answer::Draining(self.draining()).into(),
            _ => Reply::refused("the process drains and is about to end"),
        };
        // Whoever asked may be gone.
        drop(question.answer.send(reply));
    }
}
