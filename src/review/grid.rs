//! The table of who reaches what, in columns.

use super::{Version, entry::members, escape::plain};
use crate::{
    address::Date,
    exposure::{
        matrix::{Matrix, Row},
        vantage::{Extent, Vantage},
    },
    policy::{Expiry, Listener},
};

/// How wide a name may be before it is cut.
const MAX_WIDTH: usize = 44;

/// How many rows are shown; beyond that nobody reads, and the JSON form has them all.
const MAX_ROWS: usize = 200;

/// What the signs mean.
pub const LEGEND: &str =
    "all/some of those there, · none, + grew in this change, ! needs an `allow` and has none";

/// The table, every line ended, worst rows first where there are too many.
#[must_use]
pub fn grid(matrix: &Matrix, version: Version<'_>, today: Date) -> String {
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
        let unsigned = row.listeners.iter().any(|id| {
            version.policy.listeners.get(id).is_some_and(|listener| is_unsigned(listener, today))
        });
        let mut line = vec![cut(&name(row, version)), cut(&row.entrances.join(" "))];
        line.extend(columns.iter().map(|vantage| cell(row, *vantage, unsigned)));
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

/// Whether it is exposed in a way that must be signed for, and nobody has.
fn is_unsigned(listener: &Listener, today: Date) -> bool {
    let signed = listener.allow.as_ref().map(|allow| &allow.expires);
    listener.needs_allow() && !signed.is_some_and(|expires: &Expiry| expires.holds_on(today))
}

fn cell(row: &Row, vantage: Vantage, unsigned: bool) -> String {
    let at = vantage as usize;
    let only_paths = row.entrances.iter().all(|entrance| entrance.starts_with("unix"));
    let word = match row.cells[at] {
        Extent::None => return "·".to_owned(),
        _ if only_paths => "mode",
        Extent::Some => "some",
        Extent::All => "all",
    };
    let plus = if row.grew[at] { "+" } else { "" };
    let far = vantage > Vantage::Private;
    let mark = if unsigned && far { "!" } else { "" };
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
