//! A review for a terminal.

use std::fmt::Write as _;

use super::{Review, entry::Entry, escape::plain, grid};
use crate::{
    exposure::{assumption::Assumption, diff::Effect},
    policy::claim::Assume,
};

/// How many listeners are named where an answer rests on an assumption.
const MAX_NAMED: usize = 8;

/// The whole review.
#[must_use]
pub fn render(review: &Review<'_>) -> String {
    let verdict = if review.passes() { "" } else { "; this needs an approval" };
    let mut text = format!("portcullis: {}{verdict}\n", review.summary());
    for change in &review.diff.changes {
        if change.effect == Effect::Neutral {
            continue;
        }
        let entry = Entry::of(review, change);
        let onward = entry.upstream.iter().map(|upstream| format!(" → {upstream}"));
        let onward: String = onward.collect();
        let (word, listener, place) = (&entry.word, &entry.listener, &entry.place);
        put(&mut text, format_args!("\n{word}  listener {listener}{onward}   {place}\n"));
        text.push_str(&rows(&entry));
    }
    text.push('\n');
    for notice in &review.governance {
        put(&mut text, format_args!("GOVERNANCE  {}\n", plain(&notice.text)));
    }
    for line in footer(review) {
        put(&mut text, format_args!("{line}\n"));
    }
    text
}

/// The labelled lines of an entry, under one another.
#[must_use]
pub fn rows(entry: &Entry) -> String {
    let width = entry.rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let (mut text, mut last) = (String::new(), "");
    for (label, row) in &entry.rows {
        let shown = if *label == last { "" } else { label };
        put(&mut text, format_args!("  {shown:<width$}  {row}\n"));
        last = label;
    }
    text
}

/// The table by itself, with what it rests on.
#[must_use]
pub fn table(review: &Review<'_>) -> String {
    let Some(version) = review.new else { return String::new() };
    let table = grid::grid(review, version);
    let legend = if review.guardrails().is_empty() { grid::LEGEND } else { grid::LEGEND_GOVERNED };
    let mut text = format!("{table}{legend}\n");
    for line in assumptions(review) {
        put(&mut text, format_args!("{line}\n"));
    }
    text
}

/// What stands below the changes: what did not change, the table, and what all of it rests on.
fn footer(review: &Review<'_>) -> Vec<String> {
    let mut lines = unchanged(review);
    lines.push(String::new());
    lines.extend(table(review).lines().map(str::to_owned));
    lines
}

/// How many listeners are as they were, and which differ only in what is no exposure.
pub(super) fn unchanged(review: &Review<'_>) -> Vec<String> {
    let neutral = review.diff.changes.iter().filter(|change| change.effect == Effect::Neutral);
    let names: Vec<_> = neutral.map(|change| change.listener.to_string()).collect();
    let mut lines = Vec::new();
    if !names.is_empty() {
        lines.push(format!("changed without effect on exposure: {}", some_of(&names)));
    }
    let count = review.diff.unchanged;
    lines.push(format!("unchanged: {count} listener{}", if count == 1 { "" } else { "s" }));
    lines
}

/// Which listeners are as closed as the table says only as long as an assumption holds.
pub(super) fn assumptions(review: &Review<'_>) -> Vec<String> {
    let near = [Assumption::A1, Assumption::A2, Assumption::A3];
    let mut lines = Vec::new();
    if review.assume == Assume::None {
        lines.push("rests on no assumption: whoever the kernel takes arrives".to_owned());
    }
    for assumption in near {
        let carried =
            review.reach.listeners().filter(|(_, taken)| taken.rests_on.contains(&assumption));
        let names: Vec<_> = carried.map(|(id, _)| id.to_string()).collect();
        if !names.is_empty() {
            let (name, says) = (assumption.name(), assumption.says());
            lines.push(format!("rests on {name} ({says}): {}", some_of(&names)));
        }
    }
    lines.push(format!(
        "all of it is an upper bound: {} (A5), {} (A6)",
        Assumption::A5.says(),
        Assumption::A6.says()
    ));
    lines
}

fn some_of(names: &[String]) -> String {
    let named = names.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

pub(super) fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("writing to a string does not fail");
}
