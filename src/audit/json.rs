//! A report for programs: one object, versioned, complete; and an object for each change.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    changes::{Change, Event, What},
    live::{Held, Process},
    report::{Leniency, Outcome, Report, Row, Status, Verdict},
};
use crate::review::escape::plain;

/// The name of the form, which changes when a reader would have to.
pub const SCHEMA: &str = "portcullis.audit/1";

/// The same of a change.
pub const CHANGE_SCHEMA: &str = "portcullis.audit-change/1";

/// A report, to be serialized. Words of processes and files are harmless even to a reader that
/// prints them.
#[derive(Debug, Serialize)]
pub struct Form {
    schema: &'static str,
    exit: u8,
    outcome: &'static str,
    network_namespace: Option<u64>,
    settings: BTreeMap<String, String>,
    rows: Vec<RowForm>,
    notes: Vec<String>,
    ignored: usize,
    unseen: Vec<String>,
    summary: BTreeMap<&'static str, usize>,
}

#[derive(Debug, Serialize)]
struct RowForm {
    status: &'static str,
    file: Option<String>,
    listener: Option<String>,
    protocol: String,
    declared: Vec<String>,
    live: Vec<SocketForm>,
    verdicts: Vec<VerdictForm>,
}

#[derive(Debug, Serialize)]
struct SocketForm {
    socket: String,
    sockets: usize,
    user: Option<String>,
    processes: Vec<ProcessForm>,
}

#[derive(Debug, Serialize)]
struct ProcessForm {
    pid: u32,
    name: String,
    program: Option<String>,
}

#[derive(Debug, Serialize)]
struct VerdictForm {
    status: &'static str,
    says: Vec<String>,
}

/// A change, to be serialized. What has changed is the one of the three that is there.
#[derive(Debug, Serialize)]
pub struct ChangeForm {
    schema: &'static str,
    time: String,
    exit: u8,
    change: &'static str,
    was: Vec<&'static str>,
    row: Option<RowForm>,
    unseen: Option<String>,
    note: Option<String>,
}

/// The form of a change that was seen at this time, by a look that ended with this exit code.
#[must_use]
pub fn change_form(change: &Change<'_>, at: &str, exit: u8) -> ChangeForm {
    let (event, was) = match &change.event {
        Event::Came => ("came", Vec::new()),
        Event::Changed { was } => ("changed", was.iter().map(|status| status.word()).collect()),
        Event::Gone => ("gone", Vec::new()),
    };
    let mut form = ChangeForm {
        schema: CHANGE_SCHEMA,
        time: at.to_owned(),
        exit,
        change: event,
        was,
        row: None,
        unseen: None,
        note: None,
    };
    match change.what {
        What::Row(it) => form.row = Some(row(it)),
        What::Unseen(it) => form.unseen = Some(plain(&it.to_string())),
        What::Note(it) => form.note = Some(plain(it)),
    }
    form
}

/// The form of a report that ends with this exit code.
#[must_use]
pub fn form(report: &Report, leniency: Leniency, exit: u8) -> Form {
    Form {
        schema: SCHEMA,
        exit,
        outcome: match report.outcome(leniency) {
            Outcome::Equal => "equal",
            Outcome::Drift => "drift",
            Outcome::Unseen => "unseen",
        },
        network_namespace: report.namespace,
        settings: report.settings.iter().map(|(name, value)| (plain(name), plain(value))).collect(),
        rows: report.rows.iter().map(row).collect(),
        notes: all(&report.notes),
        ignored: report.ignored,
        unseen: report.unseen.iter().map(|unseen| plain(&unseen.to_string())).collect(),
        summary: report
            .counts()
            .into_iter()
            .map(|(status, count)| (status.word(), count))
            .collect(),
    }
}

fn row(row: &Row) -> RowForm {
    let live = row.live.iter().map(|seen| {
        let Held { user, processes } = &seen.held;
        SocketForm {
            socket: plain(&seen.socket),
            sockets: seen.count,
            user: user.as_deref().map(plain),
            processes: processes.iter().map(process).collect(),
        }
    });
    let verdict =
        |it: &Verdict| VerdictForm { status: Status::word(it.status), says: all(&it.says) };
    RowForm {
        status: row.status().word(),
        file: row.file.as_deref().map(plain),
        listener: row.listener.as_deref().map(plain),
        protocol: row.kind.to_string(),
        declared: all(&row.declared),
        live: live.collect(),
        verdicts: row.verdicts.iter().map(verdict).collect(),
    }
}

fn process(process: &Process) -> ProcessForm {
    let Process { pid, name, program } = process;
    ProcessForm { pid: *pid, name: plain(name), program: program.as_deref().map(plain) }
}

fn all(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| plain(line)).collect()
}
