//! Which listeners meet: as the exposure has it, and as the plan for this host found out.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::Context;
use crate::{
    plan::{BindKey, Cause},
    policy::{Expose, ListenerId},
};

/// Two listeners that would take one another's connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meeting {
    /// The one to report.
    pub(super) ours: ListenerId,
    /// The one that it meets.
    pub(super) theirs: ListenerId,
    /// The lowest port on which they meet; none for a path.
    pub(super) port: Option<u16>,
    /// Both ask for the same, rather than one for a part of the other.
    pub(super) is_duplicate: bool,
    /// They meet on this host, or on every host.
    pub(super) is_certain: bool,
}

/// All meetings, one for each pair of listeners.
pub(super) fn of(cx: &Context<'_>) -> Vec<Meeting> {
    // The plan has looked at every socket, so what it found need not be guessed at; then come those
    // on every host, which take the place of those that depend on it.
    let mut all: Vec<_> = planned(cx).chain(paths(cx)).collect();
    let (certain, rest): (Vec<_>, Vec<_>) =
        cx.exposure.overlaps().into_iter().partition(|overlap| overlap.certain);
    all.extend(certain.iter().chain(&rest).map(|overlap| Meeting {
        ours: overlap.second.listener.id.clone(),
        theirs: overlap.first.listener.id.clone(),
        port: Some(overlap.port),
        is_duplicate: overlap.is_duplicate(),
        is_certain: overlap.certain,
    }));
    let mut known = BTreeSet::new();
    all.retain(|Meeting { ours, theirs, .. }| {
        let pair = if ours < theirs { (ours, theirs) } else { (theirs, ours) };
        known.insert((pair.0.clone(), pair.1.clone()))
    });
    all
}

fn planned(cx: &Context<'_>) -> impl Iterator<Item = Meeting> {
    cx.conflicts().iter().filter_map(|conflict| {
        let Cause::Overlap { ours, other, theirs } = &conflict.cause else { return None };
        Some(Meeting {
            ours: conflict.listener.clone(),
            theirs: other.clone(),
            port: ours.socket_addr().map(|address| address.port()),
            is_duplicate: is_open(ours) == is_open(theirs),
            is_certain: true,
        })
    })
}

/// Listeners on one path.
fn paths(cx: &Context<'_>) -> impl Iterator<Item = Meeting> {
    let mut first: BTreeMap<&Path, &ListenerId> = BTreeMap::new();
    cx.policy.listeners.values().filter_map(move |listener| {
        let Expose::Unix(unix) = &listener.expose else { return None };
        let theirs = first.insert(&unix.path, &listener.id)?.clone();
        let ours = listener.id.clone();
        Some(Meeting { ours, theirs, port: None, is_duplicate: true, is_certain: true })
    })
}

fn is_open(key: &BindKey) -> bool {
    key.socket_addr().is_some_and(|address| address.ip().is_unspecified())
}
