//! Controls that hold fewer clients back than sets of flows can tell: pins, limits, modes of
//! sockets.

use std::num::NonZeroU32;

use super::{Cause, Field};
use crate::policy::{Action, Expose, Listener, Policy, UnixSocket};

/// A listener with the file that it is in.
type In<'a> = (&'a Policy, &'a Listener);

/// What was loosened and what was tightened from one listener to its successor.
pub(super) fn compare((old, before): In<'_>, (new, after): In<'_>) -> (Vec<Cause>, Vec<Cause>) {
    let mut scales = Scales::default();
    let limits = [
        ("connections", before.limits.connections, after.limits.connections),
        ("per_client", before.limits.per_client, after.limits.per_client),
    ];
    for (key, before, after) in limits {
        scales.bound(Field::Limits, key, before, after);
    }
    scales.backends((old, before), (new, after));
    match (&before.expose, &after.expose) {
        (Expose::Unix(before), Expose::Unix(after)) => scales.path(before, after),
        (Expose::Ip(before), Expose::Ip(after)) => {
            let pinned = |sides: &[crate::policy::Side]| sides.iter().all(|side| side.pin);
            if before.iter().map(|side| &side.place).eq(after.iter().map(|side| &side.place)) {
                let word = |pinned| Some(if pinned { "device" } else { "none" }.to_owned());
                let (before, after) = (pinned(before), pinned(after));
                let cause = Cause { field: Field::Pin, before: word(before), after: word(after) };
                scales.put(before.cmp(&after), cause);
            }
        }
        _ => {}
    }
    (scales.loosened, scales.tightened)
}

#[derive(Default)]
struct Scales {
    loosened: Vec<Cause>,
    tightened: Vec<Cause>,
}

impl Scales {
    /// Files a cause by what became of what gets through.
    fn put(&mut self, through: std::cmp::Ordering, cause: Cause) {
        match through {
            std::cmp::Ordering::Greater => self.loosened.push(cause),
            std::cmp::Ordering::Less => self.tightened.push(cause),
            std::cmp::Ordering::Equal => {}
        }
    }

    /// A bound that was raised or removed lets more through.
    fn bound(
        &mut self,
        field: Field,
        key: &str,
        before: Option<NonZeroU32>,
        after: Option<NonZeroU32>,
    ) {
        let most = |bound: Option<NonZeroU32>| bound.map_or(u32::MAX, NonZeroU32::get);
        let word = |bound: Option<NonZeroU32>| bound.map(|bound| format!("{key}: {bound}"));
        let cause = Cause { field, before: word(before), after: word(after) };
        self.put(most(after).cmp(&most(before)), cause);
    }

    /// The bounds of backends that both lists have.
    fn backends(&mut self, (old, before): In<'_>, (new, after): In<'_>) {
        let (Action::Forward(before), Action::Forward(after)) = (&before.action, &after.action)
        else {
            return;
        };
        let Some((before, after)) = old.upstreams.get(before).zip(new.upstreams.get(after)) else {
            return;
        };
        for backend in &after.backends {
            let had = before.backends.iter().find(|had| had.address == backend.address);
            if let Some(had) = had {
                let key = format!("max_connections of {}", backend.address);
                let (before, after) = (had.max_connections, backend.max_connections);
                self.bound(Field::Backends, &key, before, after);
            }
        }
    }

    /// A mode with more bits, or another owner or group, lets in who was kept out.
    fn path(&mut self, before: &UnixSocket, after: &UnixSocket) {
        let others = (&before.owner, &before.group) != (&after.owner, &after.group);
        let more = after.mode & !before.mode != 0 || others;
        let fewer = before.mode & !after.mode != 0;
        let word = |unix: &UnixSocket| {
            let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "-".to_owned());
            format!("{:04o} {}:{}", unix.mode, name(&unix.owner), name(&unix.group))
        };
        let (before, after) = (Some(word(before)), Some(word(after)));
        let through = more.cmp(&false).then(false.cmp(&fewer));
        self.put(through, Cause { field: Field::Expose, before, after });
    }
}
