//! What has changed from one report to the next: rows that came, went or have another status, and
//! what could be seen or not.
//!
//! Process ids, counts of sockets and details of a verdict are no part of what is compared: a
//! service that is started again on the same sockets, or hands them over, has changed nothing that
//! a declaration is about.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    live::Process,
    report::{Kind, Report, Row, Status, Unseen},
};

/// What the kernel adds to the path of a program whose file was replaced while it runs.
const DELETED: &str = " (deleted)";

/// Something that is not as it was.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// What became of it.
    pub event: Event,
    /// It.
    pub what: What<'a>,
}

/// What became of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It was not there before.
    Came,
    /// What is the matter with it is something else.
    Changed {
        /// What was the matter before.
        was: BTreeSet<Status>,
    },
    /// It is not there any more.
    Gone,
}

/// What changes.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// A row.
    Row(&'a Row),
    /// Something that cannot be looked at.
    Unseen(&'a Unseen),
    /// Something that is declared and has no socket on purpose.
    Note(&'a str),
}

/// What there is to tell of a report to somebody who knows the one before: nothing of equal ones.
#[must_use]
pub fn between<'a>(before: &'a Report, after: &'a Report) -> Vec<Change<'a>> {
    let (old, new) = (known(before), known(after));
    let mut changes = Vec::new();
    for (identity, (what, statuses)) in &new {
        let event = match old.get(identity) {
            None => Event::Came,
            Some((_, was)) if was != statuses => Event::Changed { was: was.clone() },
            Some(_) => continue,
        };
        changes.push(Change { event, what: *what });
    }
    let gone = old.iter().filter(|(identity, _)| !new.contains_key(*identity));
    changes.extend(gone.map(|(_, (what, _))| Change { event: Event::Gone, what: *what }));
    changes
}

/// Everything that is the matter with a row; a match is that and nothing else.
#[must_use]
pub fn statuses(row: &Row) -> BTreeSet<Status> {
    let statuses: BTreeSet<_> = row.statuses().collect();
    if statuses.is_empty() { BTreeSet::from([Status::Match]) } else { statuses }
}

/// By what something is known again in another report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Identity<'a> {
    Declared {
        file: Option<&'a str>,
        listener: &'a str,
        place: Place<'a>,
    },
    Undeclared {
        file: Option<&'a str>,
        kind: Kind,
        sockets: Vec<&'a str>,
        users: BTreeSet<&'a str>,
        programs: BTreeSet<&'a str>,
    },
    Unseen(&'a str),
    Note(&'a str),
}

/// Where a listener is declared to be. The addresses of a port may come and go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place<'a> {
    Port(Kind, u16),
    Path(&'a [String]),
}

/// What a report says, and what is the matter with it.
type Known<'a> = BTreeMap<Identity<'a>, (What<'a>, BTreeSet<Status>)>;

fn known(report: &Report) -> Known<'_> {
    let mut known = Known::new();
    for row in &report.rows {
        // Two rows may differ in nothing but the process.
        let (_, all) = known.entry(of_row(row)).or_insert((What::Row(row), BTreeSet::new()));
        all.extend(statuses(row));
    }
    let unseen = report.unseen.iter().map(|it| (Identity::Unseen(&it.what), What::Unseen(it)));
    let notes = report.notes.iter().map(|it| (Identity::Note(it), What::Note(it)));
    known.extend(unseen.chain(notes).map(|(identity, what)| (identity, (what, BTreeSet::new()))));
    known
}

fn of_row(row: &Row) -> Identity<'_> {
    let file = row.file.as_deref();
    if let Some(listener) = &row.listener {
        let place = row.port.map_or(Place::Path(&row.declared), |port| Place::Port(row.kind, port));
        return Identity::Declared { file, listener, place };
    }
    let held = || row.live.iter().map(|seen| &seen.held);
    Identity::Undeclared {
        file,
        kind: row.kind,
        sockets: row.live.iter().map(|seen| seen.socket.as_str()).collect(),
        users: held().filter_map(|held| held.user.as_deref()).collect(),
        programs: held().flat_map(|held| &held.processes).map(program).collect(),
    }
}

/// What a process runs; its name, which it may change, counts only where that cannot be seen.
fn program(process: &Process) -> &str {
    let program = process.program.as_deref().unwrap_or(&process.name);
    program.strip_suffix(DELETED).unwrap_or(program)
}

#[cfg(test)]
mod tests;
