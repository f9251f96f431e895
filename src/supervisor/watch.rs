//! When to look at the file again. The kernel's events are hints; a slow poll is the truth.

use std::{
    collections::BTreeSet,
    io,
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tracing::warn;

use super::{burst::Burst, guardrails};

/// A look at least this often: for what events never tell (a parent link re-pointed, a network file
/// system) and for watches that died. It costs one `stat`.
const POLL: Duration = Duration::from_secs(2);

/// A writer that pauses this long is taken to be done.
const QUIET: Duration = Duration::from_millis(250);

/// A writer that never pauses is looked at nevertheless.
const BUSY: Duration = Duration::from_secs(2);

/// Links followed before a path is given up as a loop, as the kernel does (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// Watches every directory in which a change can give the file or a guardrail another content.
pub(super) struct Watch {
    /// The file, and the guardrails that were named.
    paths: Vec<PathBuf>,
    hints: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    /// When the next look is due without an event.
    poll: Instant,
    /// Events that no look has answered yet.
    writing: Option<Burst>,
}

impl Watch {
    /// Starts watching. Without the kernel's help, which is said once, only the poll remains.
    ///
    /// # Errors
    /// When a path is relative and there is no working directory to take it from.
    pub(super) fn new(file: &Path, guardrails: &[PathBuf]) -> io::Result<Self> {
        let paths = std::iter::once(file).chain(guardrails.iter().map(PathBuf::as_path));
        let paths = paths.map(std::path::absolute).collect::<io::Result<_>>()?;
        let hints = Arc::new(Notify::new());
        let hint = Arc::clone(&hints);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // Our own reading makes `Access` events; only the end of a writing is of interest.
            let ours = |kind| {
                matches!(kind, EventKind::Access(access)
                if access != AccessKind::Close(AccessMode::Write))
            };
            if !event.is_ok_and(|event| ours(event.kind)) {
                hint.notify_one();
            }
        });
        let watcher = watcher
            .inspect_err(
                |error| warn!(%error, "no file events; the file is looked at every two seconds"),
            )
            .ok();
        let poll = Instant::now() + POLL;
        let mut watch =
            Self { paths, hints, watcher, watched: BTreeSet::new(), poll, writing: None };
        watch.rearm();
        Ok(watch)
    }

    /// Resolves when it is time to look: some quiet after an event, or the poll. It may be dropped
    /// and called again at any time; what it has learnt is kept.
    pub(super) async fn time_to_look(&mut self) {
        loop {
            let due = self.writing.map_or(self.poll, |burst| burst.due(QUIET, BUSY));
            tokio::select! {
                () = self.hints.notified() => {
                    self.writing = Some(Burst::with_event(self.writing));
                }
                () = sleep_until(due) => break,
            }
        }
        self.writing = None;
        self.poll = Instant::now() + POLL;
        self.rearm();
    }

    /// Watches the directories that matter now. A watch on a directory that was replaced dies
    /// silently, so the set is made anew after every look.
    fn rearm(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let mut wanted: BTreeSet<_> =
            self.paths.iter().flat_map(|path| directories(path)).collect();
        // Until there is one, the poll finds it.
        wanted.extend(Some(PathBuf::from(guardrails::SYSTEM)).filter(|folder| folder.is_dir()));
        for gone in self.watched.difference(&wanted) {
            // It fails when the directory is gone, which is as good.
            drop(watcher.unwatch(gone));
        }
        for directory in &wanted {
            // Watching again is one call, and renews a watch whose directory was replaced.
            if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive)
                && self.watched.contains(directory)
            {
                warn!(directory = %directory.display(), %error, "cannot watch for changes; polling");
            }
        }
        self.watched = wanted;
    }
}

/// The directories whose entries decide what the path leads to: its own, that of every link on the
/// way, and that of the file in the end.
fn directories(path: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut ahead: Vec<PathBuf> = parts(path);
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = ahead.pop() {
        if part.as_os_str() == "/" {
            at = PathBuf::from("/");
            continue;
        }
        if part.as_os_str() == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        match std::fs::read_link(&next) {
            Ok(target) if links < MAX_LINKS => {
                links += 1;
                found.insert(at.clone());
                ahead.extend(parts(&target));
            }
            _ if ahead.is_empty() => {
                found.insert(at.clone());
            }
            _ => at = next,
        }
    }
    found
}

/// The parts of a path, last first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let kept = path.components().filter(|part| *part != Component::CurDir);
    kept.map(|part| PathBuf::from(part.as_os_str())).rev().collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn follows_every_link_on_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let at = |name: &str| root.join(name);
        std::fs::create_dir_all(at("v1")).unwrap();
        std::fs::write(at("v1/x.yaml"), "a").unwrap();
        symlink("v1", at("..data")).unwrap();
        symlink("..data/x.yaml", at("x.yaml")).unwrap();
        std::fs::create_dir(at("etc")).unwrap();
        symlink(at("x.yaml"), at("etc/x.yaml")).unwrap();
        let found = directories(&at("etc/x.yaml"));
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [root.clone(), at("etc"), at("v1")]);
        assert_eq!(directories(&at("absent.yaml")).into_iter().collect::<Vec<_>>(), [root]);
    }

    #[test]
    fn a_loop_of_links_ends() {
        let dir = tempfile::tempdir().unwrap();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        assert!(!directories(&dir.path().join("a")).is_empty());
    }
}
