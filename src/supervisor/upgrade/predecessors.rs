//! The processes of before, which have handed over and let their sessions finish.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use socket2::Socket;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::{
    channel::{Channel, mention},
    frame::{Item, Message},
    give::Descriptor,
};
use crate::supervisor::admin::protocol;

/// How many may drain at a time. Each holds a copy of the program's memory, and upgrades that come
/// faster than sessions end would pile them up.
const MAX_DRAINING: usize = 4;

/// All of them, the oldest first.
#[derive(Debug, Default)]
pub(in crate::supervisor) struct Predecessors(Vec<Predecessor>);

/// One of them.
#[derive(Debug)]
struct Predecessor {
    pid: u32,
    generation: u64,
    sessions: Arc<AtomicUsize>,
    channel: Arc<Socket>,
    /// Ends when the process does.
    watch: JoinHandle<()>,
}

impl Predecessors {
    /// Adds the youngest, and ends the oldest if there are too many.
    pub(in crate::supervisor) fn add(
        &mut self,
        (pid, generation): (u32, u64),
        sessions: usize,
        mut channel: Channel,
    ) {
        let (shared, sessions) = (channel.shared(), Arc::new(AtomicUsize::new(sessions)));
        let told = Arc::clone(&sessions);
        let watch = tokio::spawn(async move {
            while let Ok(arrived) = channel.receive().await {
                if let Message::Sessions { sessions } = arrived.message {
                    told.store(sessions, Relaxed);
                }
            }
            info!(pid, generation, "a process of before has ended");
        });
        self.0.retain(|one| !one.watch.is_finished());
        self.0.push(Predecessor { pid, generation, sessions, channel: shared, watch });
        for one in self.0.iter().take(self.0.len().saturating_sub(MAX_DRAINING)) {
            let (pid, generation) = (one.pid, one.generation);
            warn!(pid, generation, "too many processes drain; the oldest is told to end");
            mention(&one.channel, Message::Stop);
        }
    }

    /// Those that are still there.
    pub(in crate::supervisor) fn report(&self) -> Vec<protocol::Predecessor> {
        let report = |one: &Predecessor| protocol::Predecessor {
            pid: one.pid,
            generation: one.generation,
            sessions: one.sessions.load(Relaxed),
        };
        self.0.iter().filter(|one| !one.watch.is_finished()).map(report).collect()
    }

    /// The channels to them, for the process that comes next.
    pub(in crate::supervisor) fn items(&self) -> impl Iterator<Item = (Item, Descriptor)> {
        self.0.iter().filter(|one| !one.watch.is_finished()).map(|one| {
            let item = Item::Predecessor {
                pid: one.pid,
                generation: one.generation,
                sessions: one.sessions.load(Relaxed),
            };
            let channel: Descriptor = Arc::clone(&one.channel) as Descriptor;
            (item, channel)
        })
    }

    /// Listens to them no more: another process does.
    pub(in crate::supervisor) fn leave(&mut self) {
        for one in self.0.drain(..) {
            one.watch.abort();
        }
    }
}
