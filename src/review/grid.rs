//! The table of who reaches what, in columns.

use super::{Review, Version, approval::Footing, entry::members, escape::plain};
use crate::{
    exposure::{
        matrix::{Matrix, Row},
        vantage::{Extent, Vantage},
    },
    policy::governance::Scope,
};

/// How wide a name may be before it is cut.
const MAX_WIDTH: usize = 44;

/// How many rows are shown; beyond that nobody reads, and the JSON form has them all.
const MAX_ROWS: usize = 200;

/// What the signs mean.
pub const LEGEND: &str =
    "all/some of those there, · none, + grew in this change, ! needs an `allow` and has none";

/// The same where guardrails are known.
pub const LEGEND_GOVERNED: &str =
    "all/some of those there, · none, + grew in this change, ! not granted, or not signed for";

/// The table, every line ended, worst rows first where there are too many. With guardrails, each
/// line says by which grant it is so.
#[must_use]
pub fn grid(review: &Review<'_>, version: Version<'_>) -> String {
    let matrix: &Matrix = &review.matrix;
    let special = matrix.has_special();
    let columns =
        Vantage::ALL.into_iter().filter(|vantage| special || *vantage != Vantage::Special);
    let columns: Vec<_> = columns.collect();
    let mut heading = vec!["who can reach what".to_owned(), String::new()];
    heading.extend(columns.iter().map(ToString::to_string));
    let mut lines = vec![heading];
    let mut rows: Vec<_> = matrix.rows.iter().collect();
    if rows.len() > MAX_ROWS {
        rows.sort_by_key(|row| std::cmp::Reverse(row.grew));
    }
    for row in rows.iter().take(MAX_ROWS) {
        let listeners = row.listeners.iter().filter_map(|id| version.policy.listeners.get(id));
        let footings: Vec<_> = listeners.map(|listener| review.footing(listener)).collect();
        let missing = footings.iter().filter_map(first_missing).min();
        let mut line = vec![cut(&name(row, version)), cut(&row.entrances.join(" "))];
        line.extend(columns.iter().map(|vantage| cell(row, *vantage, missing)));
        if !review.guardrails().is_empty() {
            line.push(cut(&standing(&footings)));
        }
        lines.push(line);
    }
    let mut table = align(&lines);
    if let Some(more @ 1..) = rows.len().checked_sub(MAX_ROWS) {
        table.push_str(&format!("and {more} more groups of backends\n"));
    }
    table
}

fn name(row: &Row, version: Version<'_>) -> String {
    let Some(id) = &row.upstream else { return "the status page".to_owned() };
    let names = members(version.policy, id);
    plain(&if names == id.as_str() { names } else { format!("{id} ({names})") })
}

/// The nearest vantage from which nothing stands for what is reached.
fn first_missing(footing: &Footing<'_>) -> Option<Vantage> {
    let Footing::Missing(refused) = footing else { return None };
    Some(match refused {
        Some(Scope::Unix | Scope::Loopback) => Vantage::Host,
        Some(Scope::Link) => Vantage::Link,
        Some(Scope::Private) => Vantage::Private,
        Some(Scope::Shared | Scope::Public | Scope::Any) | None => Vantage::Shared,
    })
}

/// Which grants stand for a line, or that one is missing.
fn standing(footings: &[Footing<'_>]) -> String {
    let mut ids = Vec::new();
    for footing in footings {
        match footing {
            Footing::Missing(Some(_)) => return "NO GRANT".to_owned(),
            Footing::Missing(None) => return "NOT SIGNED".to_owned(),
            Footing::Granted(granted) => ids.extend(granted.iter().map(|id| plain(id))),
            Footing::Free => {}
        }
    }
    if ids.is_empty() { String::new() } else { format!("grant {}", ids.join(", ")) }
}

fn cell(row: &Row, vantage: Vantage, missing: Option<Vantage>) -> String {
    let at = vantage as usize;
    let only_paths = row.entrances.iter().all(|entrance| entrance.starts_with("unix"));
    let word = match row.cells[at] {
        Extent::None => return "·".to_owned(),
        _ if only_paths => "mode",
        Extent::Some => "some",
        Extent::All => "all",
    };
    let plus = if row.grew[at] { "+" } else { "" };
    let mark = if missing.is_some_and(|first| vantage >= first) { "!" } else { "" };
    format!("{plus}{word}{mark}")
}

fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_WIDTH {
        return text.to_owned();
    }
    text.chars().take(MAX_WIDTH - 1).chain(['…']).collect()
}

/// Lines of cells as columns.
pub(super) fn align(lines: &[Vec<String>]) -> String {
    let count = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..count).map(width).collect();
    let mut table = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        table.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        table.push('\n');
    }
    table
}
