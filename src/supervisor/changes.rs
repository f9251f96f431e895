//! The kernel tells that addresses or interfaces of this network namespace change. What they are is
//! then asked as a whole, for it may tell less than it should.

use std::{io, time::Duration};

use tokio::{io::unix::AsyncFd, time::sleep_until};

use super::burst::Burst;
use crate::sys::{
    netlink,
    poll::{self, Polled},
};

/// An interface that comes up has several changes in a row.
const QUIET: Duration = Duration::from_millis(50);

/// A host that never stops changing is looked at nevertheless, this often at the most.
const BUSY: Duration = Duration::from_secs(1);

/// Where the kernel tells of changes.
#[derive(Debug)]
pub struct HostChanges {
    watch: netlink::Watch,
    polled: AsyncFd<Polled>,
    /// Changes that no look has answered yet.
    burst: Option<Burst>,
}

impl HostChanges {
    /// Changes from here on are told.
    ///
    /// # Errors
    /// When the kernel refuses.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new() -> io::Result<Self> {
        let watch = netlink::Watch::new()?;
        let polled = poll::readable(watch.shared())?;
        Ok(Self { watch, polled, burst: None })
    }

    /// Resolves when something may have changed, and it is time to look. It may be dropped and
    /// called again at any time; what it has learnt is kept.
    ///
    /// # Errors
    /// When the kernel tells no more.
    pub async fn time_to_look(&mut self) -> io::Result<()> {
        loop {
            let burst = self.burst;
            let quiet = async move {
                match burst {
                    Some(burst) => sleep_until(burst.due(QUIET, BUSY)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = changed(&self.watch, &self.polled) => if changed? {
                    self.burst = Some(Burst::with_event(burst));
                },
                () = quiet => {
                    self.burst = None;
                    return Ok(());
                }
            }
        }
    }
}

/// Resolves when the kernel has told something, with whether that is a change.
async fn changed(watch: &netlink::Watch, polled: &AsyncFd<Polled>) -> io::Result<bool> {
    let mut ready = polled.readable().await?;
    let has_changed = watch.drain()?;
    ready.clear_ready();
    Ok(has_changed)
}
