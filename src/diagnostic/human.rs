//! Findings for people: the line at fault, underlined, and what to do about it.

use std::{
    borrow::Cow,
    io::{self, Write},
    ops::Range,
};

use annotate_snippets::{AnnotationKind, Element, Group, Level as Tone, Origin, Renderer, Snippet};

use super::{
    Diagnostic, Label, Level,
    harmless::{harmless, is_hostile, replace},
};
use crate::source::{Source, Span};

/// How many lines may lie between two labels that are shown in one piece; the renderer folds them.
const MAX_GAP: usize = 100;

/// How much of a line is shown on each side of a place, in bytes. The renderer's time grows with
/// what it is given, and a file may be one line of 16 MiB.
const MAX_CONTEXT: usize = 400;

/// Writes findings about one source, with colours for a terminal if asked for. What they repeat
/// from the file cannot reach a terminal as control characters.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write(
    out: &mut dyn Write,
    source: &Source,
    findings: &[Diagnostic],
    colour: bool,
) -> io::Result<()> {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    for finding in findings {
        writeln!(out, "{}\n", renderer.render(&[group(source, finding)]))?;
    }
    Ok(())
}

fn group<'a>(source: &'a Source, finding: &'a Diagnostic) -> Group<'a> {
    let tone = match finding.level {
        Level::Info => Tone::INFO,
        Level::Warn => Tone::WARNING,
        Level::Error | Level::Forbid => Tone::ERROR,
    };
    let title = tone.primary_title(harmless(&finding.message)).id(finding.code.0);
    let notes = finding.notes.iter().map(|note| Tone::NOTE.message(harmless(note)));
    let help = finding.help.iter().map(|help| Tone::HELP.message(harmless(help)));
    Group::with_title(title)
        .elements(pieces(source, finding).into_iter().flat_map(|piece| piece.elements(source)))
        .elements(notes)
        .elements(help)
}

/// Labels near enough to each other to be shown in one piece of the source.
struct Piece<'a> {
    labels: Vec<(&'a Label, AnnotationKind, Range<usize>)>,
}

/// The labels in pieces; the one with the place at fault comes first.
fn pieces<'a>(source: &Source, finding: &'a Diagnostic) -> Vec<Piece<'a>> {
    let primary = std::iter::once((&finding.primary, AnnotationKind::Primary));
    let related = finding.related.iter().map(|label| (label, AnnotationKind::Context));
    let mut labels: Vec<_> = primary
        .chain(related)
        .map(|(label, kind)| (label, kind, first_line(source, label.span)))
        .collect();
    labels.sort_by_key(|(_, _, bytes)| (bytes.start, bytes.end));
    let mut pieces: Vec<Piece<'a>> = Vec::new();
    for label in labels {
        match pieces.last_mut() {
            Some(piece) if piece.reaches(source, &label.2) => piece.labels.push(label),
            _ => pieces.push(Piece { labels: vec![label] }),
        }
    }
    pieces.sort_by_key(|piece| {
        !piece.labels.iter().any(|(_, kind, _)| matches!(kind, AnnotationKind::Primary))
    });
    pieces
}

impl<'a> Piece<'a> {
    /// The lines from the first label to the last, cut where they are long.
    fn window(&self, source: &Source) -> Range<usize> {
        let start = self.labels.iter().map(|(_, _, bytes)| bytes.start).min().unwrap_or_default();
        let end = self.labels.iter().map(|(_, _, bytes)| bytes.end).max().unwrap_or_default();
        let lines = source.lines(source.line_of(start), source.line_of(end));
        let text = source.text();
        let from = lines.start.max(boundary(text, start.saturating_sub(MAX_CONTEXT)));
        from..lines.end.min(boundary(text, end.saturating_add(MAX_CONTEXT)))
    }

    /// Whether a later label is shown together with these.
    fn reaches(&self, source: &Source, next: &Range<usize>) -> bool {
        let window = self.window(source);
        let lines = source.line_of(next.start).saturating_sub(source.line_of(window.end));
        lines <= MAX_GAP && next.end.saturating_sub(window.start) <= MAX_CONTEXT * MAX_GAP
    }

    fn elements(self, source: &'a Source) -> Vec<Element<'a>> {
        let window = self.window(source);
        let path = harmless(source.path());
        let text = printable(source.text().get(window.clone()).unwrap_or_default());
        let first = self.labels.first().map_or(window.start, |(_, _, bytes)| bytes.start);
        let annotations = self.labels.into_iter().map(|(label, kind, bytes)| {
            let text = (!label.text.is_empty()).then(|| harmless(&label.text));
            kind.span(bytes.start - window.start..bytes.end - window.start).label(text)
        });
        let line = source.line_of(window.start);
        let snippet = Snippet::source(text).line_start(line).annotations(annotations);
        if window.start == source.lines(line, line).start {
            return vec![snippet.path(path).into()];
        }
        // From a line that is cut the renderer would count the wrong column.
        let at = source.position(first);
        vec![Origin::path(path).line(at.line).char_column(at.column).into(), snippet.into()]
    }
}

/// The part of a span on its first line: a listener of thirty lines is found by its first.
fn first_line(source: &Source, span: Span) -> Range<usize> {
    let text = source.text();
    let start = boundary(text, span.start as usize);
    let end = boundary(text, span.end as usize).max(start);
    let under = text.get(start..end).unwrap_or_default();
    let line = under.split('\n').next().unwrap_or_default();
    let cut = boundary(text, start + line.trim_end().len().min(MAX_CONTEXT));
    start..cut
}

/// The last character boundary up to this byte.
fn boundary(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

/// A piece of source for a terminal. No replacement changes the length, so that spans still fit;
/// the renderer replaces the ASCII control characters itself.
fn printable(text: &str) -> Cow<'_, str> {
    replace(text, |character| {
        let stand_in = match character.len_utf8() {
            1 => return None,
            2 => '·',
            3 => '\u{fffd}',
            _ => '\u{1fbc4}',
        };
        is_hostile(character).then_some(stand_in)
    })
}

#[cfg(test)]
mod tests;
