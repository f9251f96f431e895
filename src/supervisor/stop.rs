//! The end: no new clients, time for those that are in, then the door.

use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};

use super::{
    Supervisor,
    follow::{Asked, Signals},
};
use crate::{runtime::Registry, telemetry::Generation};

/// Sessions are ended by their workers at the deadline; this is the time that takes.
const AFTER_DEADLINE: Duration = Duration::from_secs(3);

impl Supervisor<'_> {
    /// Drains and ends. A second signal ends at once.
    pub(super) async fn stop(mut self, mut signals: Signals) {
        let drain = self.policy.runtime.drain;
        info!(sessions = self.workers.sessions(), ?drain, "stopping");
        let done = self.sockets.close_all();
        self.registry =
            Registry { generation: Generation(self.generation.0 + 1), ..Registry::default() };
        self.hand_over(&done).await;
        drop(done);
        self.show(true);
        let drained = timeout(drain + AFTER_DEADLINE, self.workers.emptied());
        tokio::select! {
            result = drained => {
                if result.is_err() {
                    warn!(sessions = self.workers.sessions(), "sessions outlived the deadline and are cut");
                }
            }
            () = told_again(&mut signals) => {
                info!(sessions = self.workers.sessions(), "told again to stop; sessions are cut");
            }
        }
    }
}

/// Resolves at the next signal that asks to stop.
async fn told_again(signals: &mut Signals) {
    while signals.next().await != Asked::Stop {}
}
