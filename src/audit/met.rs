//! The sockets that have to do with a declared port, by whose they are, and what that alone tells.

use std::collections::BTreeMap;

use super::{
    Declaration,
    end::{End, Takes},
    live::{Held, Socket},
    report::{Seen, Status, Verdict},
};

/// Whose a socket is, in the eyes of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// A process that runs the file has it.
    Ours,
    /// None has.
    Others,
    /// That cannot be told.
    Unseen,
}

impl Whose {
    /// Says so of a socket.
    pub(super) fn is(held: &Held, declaration: &Declaration) -> Self {
        let ours = |pid| declaration.processes.contains(&pid);
        match held.processes.as_slice() {
            processes if processes.iter().any(|it| ours(it.pid)) => Self::Ours,
            [] if !declaration.is_seen() => Self::Unseen,
            _ => Self::Others,
        }
    }
}

/// Sockets that have to do with a declared port.
#[derive(Debug, Default)]
pub(super) struct Met<'a> {
    /// Ours, and those that may be.
    pub(super) ours: Vec<&'a Socket>,
    /// Some of `ours` that may be.
    unseen: Vec<&'a Socket>,
    /// Others', by their place in the table.
    theirs: Vec<(usize, &'a Socket)>,
}

impl<'a> Met<'a> {
    pub(super) fn add(&mut self, at: usize, socket: &'a Socket, whose: Whose) {
        match whose {
            Whose::Others => self.theirs.push((at, socket)),
            Whose::Ours => self.ours.push(socket),
            Whose::Unseen => {
                self.ours.push(socket);
                self.unseen.push(socket);
            }
        }
    }

    /// Others'.
    pub(super) fn theirs(&self) -> impl Iterator<Item = &'a Socket> {
        self.theirs.iter().map(|(_, socket)| *socket)
    }

    /// The places in the table of others' that the row names: those that take a part of what is
    /// ours, and all of them where they have what is declared.
    pub(super) fn named(&self, all: bool) -> impl Iterator<Item = usize> {
        let all = all || self.ours.is_empty();
        let named = self.theirs.iter().filter(move |(_, their)| all || self.is_shadowed_by(their));
        named.map(|(at, _)| *at)
    }

    /// What others' sockets take that would be for ours.
    pub(super) fn shadowed(&self) -> Option<Verdict> {
        let shadows = seen(self.theirs().filter(|their| self.is_shadowed_by(their)));
        let says = shadows
            .iter()
            .map(|it| format!("{} takes a part of it, held by {}", it.socket, it.held));
        (!shadows.is_empty()).then(|| Verdict::of(Status::Shadowed, says))
    }

    /// Those of which nobody can tell whose they are.
    pub(super) fn unknown(&self) -> Option<Verdict> {
        let unseen = seen(self.unseen.iter().copied());
        let says = unseen.iter().map(|it| {
            format!("nobody in sight has {}: run as root, or as the user who serves", it.socket)
        });
        (!unseen.is_empty()).then(|| Verdict::of(Status::Unknown, says))
    }

    /// Whether the kernel prefers another's socket to one of ours, or takes turns with it.
    fn is_shadowed_by(&self, their: &Socket) -> bool {
        self.ours.iter().any(|our| {
            their.end.precedence() >= our.end.precedence()
                && Takes::of([&their.end]).meets(&Takes::of([&our.end]))
        })
    }
}

/// Sockets by place and holder.
pub(super) fn seen<'s>(sockets: impl Iterator<Item = &'s Socket>) -> Vec<Seen> {
    let mut groups: BTreeMap<(&End, &Held), usize> = BTreeMap::new();
    for socket in sockets {
        *groups.entry((&socket.end, &socket.held)).or_default() += 1;
    }
    let seen = groups.into_iter().map(|((end, held), count)| Seen {
        socket: end.to_string(),
        count,
        held: held.clone(),
    });
    seen.collect()
}
