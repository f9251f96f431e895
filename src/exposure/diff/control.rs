//! Controls that hold fewer clients back than sets of flows can tell: pins, limits, modes of
//! sockets.

use std::{cmp::Ordering, num::NonZeroU32};

use super::{Cause, Field};
use crate::{
    exposure::asserted,
    policy::{Action, BackendAddress, Expose, Listener, Policy, PortRange, Rate, Side, UnixSocket},
};

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
    let rates = [
        ("rate", before.limits.rate, after.limits.rate),
        ("per_client_rate", before.limits.per_client_rate, after.limits.per_client_rate),
    ];
    for (key, before, after) in rates {
        scales.rate(key, before, after);
    }
    scales.backends((old, before), (new, after));
    match (&before.expose, &after.expose) {
        (Expose::Unix(before), Expose::Unix(after)) => scales.path(before, after),
        (Expose::Ip(before), Expose::Ip(after)) => scales.pins(before, after),
        _ => {}
    }
    (scales.loosened, scales.tightened)
}

/// Whether two spellings are of one backend to a listener on these ports: one without a port is at
/// the port that a client asked for.
fn is_same(had: &BackendAddress, has: &BackendAddress, ports: &[PortRange]) -> bool {
    match (had, has) {
        (BackendAddress::Ip(at), BackendAddress::SamePort(ip))
        | (BackendAddress::SamePort(ip), BackendAddress::Ip(at)) => {
            at.ip() == *ip && ports.iter().any(|range| range.contains(at.port()))
        }
        _ => had == has,
    }
}

#[derive(Default)]
struct Scales {
    loosened: Vec<Cause>,
    tightened: Vec<Cause>,
}

impl Scales {
    /// Files a cause by what became of what gets through.
    fn put(&mut self, through: Ordering, cause: Cause) {
        match through {
            Ordering::Greater => self.loosened.push(cause),
            Ordering::Less => self.tightened.push(cause),
            Ordering::Equal => {}
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

    /// Of two rates the one that lets more through over an hour is the looser; of two that let
    /// through as many, the one that lets more through at once.
    fn rate(&mut self, key: &str, before: Option<Rate>, after: Option<Rate>) {
        let most = |rate: Option<Rate>| {
            let rate = rate?;
            let (count, seconds) = (u64::from(rate.count().get()), rate.period().as_secs());
            Some((count * (3600 / seconds), count))
        };
        let through = match (most(before), most(after)) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(before), Some(after)) => after.cmp(&before),
        };
        let word = |rate: Option<Rate>| rate.map(|rate| format!("{key}: {rate}"));
        let (before, after) = (word(before), word(after));
        self.put(through, Cause { field: Field::Limits, before, after });
    }

    /// The bounds of backends that both lists have.
    fn backends(&mut self, (old, before): In<'_>, (new, after): In<'_>) {
        let ports = &after.ports;
        let (Action::Forward(before), Action::Forward(after)) = (&before.action, &after.action)
        else {
            return;
        };
        let Some((before, after)) = old.upstreams.get(before).zip(new.upstreams.get(after)) else {
            return;
        };
        for backend in &after.backends {
            let mut all = before.backends.iter();
            let had = all.find(|had| is_same(&had.address, &backend.address, ports));
            if let Some(had) = had {
                let key = format!("max_connections of {}", backend.address);
                let (before, after) = (had.max_connections, backend.max_connections);
                self.bound(Field::Backends, &key, before, after);
            }
        }
    }

    /// A side that is tied to nothing takes what comes in over any interface, also where it has
    /// moved to another address. One of another class brings its own pin, which is no choice.
    fn pins(&mut self, before: &[Side], after: &[Side]) {
        let kind = |side: &Side| (side.family, asserted(&side.place));
        for side in after {
            let Some(had) = before.iter().find(|had| kind(had) == kind(side)) else { continue };
            let word = |pinned| Some(if pinned { "device" } else { "none" }.to_owned());
            let (before, after) = (word(had.pin), word(side.pin));
            self.put(had.pin.cmp(&side.pin), Cause { field: Field::Pin, before, after });
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
