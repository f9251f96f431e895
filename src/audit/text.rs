//! A report for people: a line for each socket, and under it what is the matter; and a line for
//! each change.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    changes::{Change, Event, What, statuses},
    report::{Leniency, Outcome, Report, Row, Status},
};
use crate::review::escape::plain;

/// What separates columns.
const GAP: &str = "  ";

/// The whole report. Every word of a process, a file or a host is made harmless.
#[must_use]
pub fn render(report: &Report, leniency: Leniency) -> String {
    let mut text = String::new();
    if let Some(namespace) = report.namespace {
        put(&mut text, format_args!("network namespace {namespace}\n"));
    }
    let files: Vec<_> = report.rows.iter().filter_map(|row| row.file.as_deref()).collect();
    let several = files.windows(2).any(|pair| pair[0] != pair[1]);
    let lines: Vec<_> = report.rows.iter().map(|row| lines(row, several)).collect();
    let mut widths = HEADING.map(|word| word.chars().count());
    for cells in lines.iter().flatten() {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    line(&mut text, widths, &HEADING.map(str::to_owned));
    for (row, cells) in report.rows.iter().zip(&lines) {
        cells.iter().for_each(|cells| line(&mut text, widths, cells));
        details(&mut text, row);
    }
    let settings: Vec<_> =
        report.settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
    if !settings.is_empty() {
        put(&mut text, format_args!("settings: {}\n", plain(&settings.join(", "))));
    }
    report.notes.iter().for_each(|note| put(&mut text, format_args!("{}\n", plain(note))));
    for unseen in &report.unseen {
        put(&mut text, format_args!("unseen: {}\n", plain(&unseen.to_string())));
    }
    put(&mut text, format_args!("{}\n", summary(report, leniency)));
    text
}

/// A change that was seen at this time, in one line.
#[must_use]
pub fn change(change: &Change<'_>, at: &str) -> String {
    let (event, was) = match &change.event {
        Event::Came => ("came", String::new()),
        Event::Changed { was } => ("changed", format!(" (was {})", words(was))),
        Event::Gone => ("gone", String::new()),
    };
    let what = match change.what {
        What::Row(row) => {
            let why = if change.event == Event::Gone { String::new() } else { reasons(row) };
            format!("{}{was}{GAP}{}{why}", words(&statuses(row)), place(row))
        }
        What::Unseen(unseen) => format!("unseen: {}", plain(&unseen.to_string())),
        What::Note(note) => plain(note),
    };
    format!("{at}{GAP}{event:<7}{GAP}{what}\n")
}

fn words(statuses: &BTreeSet<Status>) -> String {
    statuses.iter().map(|status| status.word()).collect::<Vec<_>>().join(", ")
}

/// What a row is about: where its sockets are, else where they are declared to be.
fn place(row: &Row) -> String {
    let [_, name, kind, ..] = &lines(row, true)[0];
    let mut sockets: Vec<_> = row.live.iter().map(|seen| seen.socket.as_str()).collect();
    if sockets.is_empty() {
        sockets = row.declared.iter().map(String::as_str).collect();
    }
    let held: BTreeSet<_> = row.live.iter().map(|seen| seen.held.to_string()).collect();
    let held: String = held.iter().map(|held| format!("{GAP}{}", plain(held))).collect();
    format!("{name}{GAP}{kind}{GAP}{}{held}", plain(&sockets.join(", ")))
}

fn reasons(row: &Row) -> String {
    let says: Vec<_> = row.verdicts.iter().flat_map(|verdict| &verdict.says).collect();
    says.iter().map(|says| format!("; {}", plain(says))).collect()
}

const HEADING: [&str; 5] = ["STATUS", "LISTENER", "PROTOCOL", "SOCKET", "HELD BY"];

/// A line for each place; one without a socket if there is none.
fn lines(row: &Row, several: bool) -> Vec<[String; 5]> {
    let name = row.listener.as_deref().unwrap_or("-");
    let name = match &row.file {
        Some(file) if several => format!("{file}: {name}"),
        _ => name.to_owned(),
    };
    let mut head = [row.status().to_string(), plain(&name), row.kind.to_string()];
    let mut lines = Vec::new();
    for seen in &row.live {
        let group =
            if seen.count > 1 { format!(" ({} sockets)", seen.count) } else { String::new() };
        let socket = plain(&format!("{}{group}", seen.socket));
        let [status, listener, kind] = std::mem::take(&mut head);
        lines.push([status, listener, kind, socket, plain(&seen.held.to_string())]);
    }
    if lines.is_empty() {
        let [status, listener, kind] = head;
        lines.push([status, listener, kind, "-".to_owned(), "-".to_owned()]);
    }
    lines
}

fn details(text: &mut String, row: &Row) {
    if row.status() == Status::Match {
        return;
    }
    if !row.declared.is_empty() {
        put(text, format_args!("    declared: {}\n", plain(&row.declared.join(", "))));
    }
    for verdict in &row.verdicts {
        for says in &verdict.says {
            put(text, format_args!("    {}: {}\n", verdict.status, plain(says)));
        }
    }
}

fn line(text: &mut String, widths: [usize; 5], cells: &[String; 5]) {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        put(&mut line, format_args!("{cell:<width$}{GAP}"));
    }
    put(text, format_args!("{}\n", line.trim_end()));
}

fn summary(report: &Report, leniency: Leniency) -> String {
    let counts = report.counts().into_iter().map(|(status, count)| format!("{count} {status}"));
    let mut counts: Vec<_> = counts.collect();
    if report.ignored > 0 {
        counts.push(format!("{} udp on ports of outgoing connections ignored", report.ignored));
    }
    if counts.is_empty() {
        counts.push("nothing is declared, and nothing listens".to_owned());
    }
    let outcome = match report.outcome(leniency) {
        Outcome::Equal if report.is_whole() => "live is as declared",
        Outcome::Equal => "what could be seen is as declared",
        Outcome::Drift => "live is not as declared",
        Outcome::Unseen => "not everything could be seen (--best-effort makes do)",
    };
    format!("audit: {}; {outcome}", counts.join(", "))
}

fn put(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words).expect("a string takes everything");
}
