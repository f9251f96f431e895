//! What the parser refuses, in words that say what to do.

use granit_parser::{ErrorKind, ScanError};

use super::code;
use crate::{
    config::{findings::Findings, yaml::MAX_DEPTH},
    diagnostic::Diagnostic,
    source::{Source, Span},
};

/// A finding about the syntax.
pub(super) fn error(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code::YAML_SYNTAX, span, message)
}

/// Why the parser stopped, and what to do about it where that is known.
pub(super) fn explain(source: &Source, failure: &ScanError) -> Diagnostic {
    let at = failure.marker().byte_offset().unwrap_or(usize::MAX);
    let span = character(source, at);
    let (message, help) = match failure.kind() {
        ErrorKind::RecursionLimitExceeded => {
            let message = format!("more than {MAX_DEPTH} lists and mappings inside each other");
            return Diagnostic::error(code::LIMIT_EXCEEDED, span, message);
        }
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar => return tab(first_tab(source, at).unwrap_or(span)),
        ErrorKind::DirectiveDisallowed => {
            ("directives are not part of the language", "remove the line")
        }
        ErrorKind::MappingValueNotAllowed => (
            "a `:` where no key can end",
            "quote the text if the colon belongs to it, or begin the key on a line of its own",
        ),
        ErrorKind::SimpleKeyExpected => {
            ("a key without its `: `", "put a colon and a space behind the key")
        }
        ErrorKind::UnclosedFlowCollection { open: '[' } => {
            ("this `[` is never closed", "add a `]`")
        }
        ErrorKind::UnclosedFlowCollection { .. } => ("this `{` is never closed", "add a `}`"),
        ErrorKind::UnclosedQuotedScalar => {
            ("this quotation mark is never closed", "add the second one")
        }
        ErrorKind::UnknownQuotedScalarEscape => (
            "an unknown escape",
            "write `\\\\` for a backslash, or use single quotes, which have no escapes",
        ),
        ErrorKind::UnexpectedCharacter { .. } => {
            ("no value can begin with this character", "quote the text")
        }
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::UnexpectedEofFlowMapping => {
            ("expected a `,` or a `}` here", "separate the entries by commas and close the `{`")
        }
        ErrorKind::ExpectedFlowSequenceSeparator | ErrorKind::UnexpectedEofFlowSequence => {
            ("expected a `,` or a `]` here", "separate the elements by commas and close the `[`")
        }
        ErrorKind::ExpectedBlockMappingKey if !begins_line(source, span) => {
            ("the value has ended before this", "quote the whole value")
        }
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::InvalidIndentation
        | ErrorKind::ExpectedBlockSequenceEntry => (
            "this does not line up with what stands above it",
            "indent the entries of one list or mapping alike",
        ),
        _ => return error(span, format!("not YAML: {}", failure.info())),
    };
    error(span, message).help(help)
}

/// Refuses tabs wherever they are more than characters of a text: two editors show two files. The
/// first of a line speaks for all. `verbatim` are the scalars in which they are just that, in the
/// order of the file.
pub(super) fn refuse_tabs(source: &Source, verbatim: &[Span], findings: &Findings) {
    let mut verbatim = verbatim.iter().peekable();
    let mut previous = b'\n';
    let mut is_done = false;
    for (at, byte) in source.text().bytes().enumerate() {
        let is_comment = byte == b'#' && previous.is_ascii_whitespace();
        previous = byte;
        if byte == b'\n' {
            is_done = false;
        }
        while verbatim.next_if(|scalar| scalar.range().end <= at).is_some() {}
        if is_done || verbatim.peek().is_some_and(|scalar| scalar.range().contains(&at)) {
            continue;
        }
        if byte == b'\t' {
            findings.push(tab(Span::new(at..at + 1)));
        }
        is_done = is_comment || byte == b'\t';
    }
}

fn tab(span: Span) -> Diagnostic {
    error(span, "tabs are not part of the language")
        .help("write spaces; inside double quotes, `\\t`")
}

/// The first tab of the line that holds the byte: it is the one to blame.
fn first_tab(source: &Source, byte: usize) -> Option<Span> {
    let line = source.line_of(byte);
    let bytes = source.lines(line, line);
    let tab = source.text().get(bytes.clone())?.find('\t')?;
    Some(Span::new(bytes.start + tab..bytes.start + tab + 1))
}

/// Whether nothing but space stands before the span on its line.
fn begins_line(source: &Source, span: Span) -> bool {
    let start = span.start as usize;
    let line = source.line_of(start);
    let before = source.text().get(source.lines(line, line).start..start);
    before.is_some_and(|before| before.trim_start().is_empty())
}

/// The character at this byte, or the empty span at the end of the text.
fn character(source: &Source, byte: usize) -> Span {
    let text = source.text();
    let mut start = byte.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let rest = text.get(start..).unwrap_or_default();
    Span::new(start..start + rest.chars().next().map_or(0, char::len_utf8))
}
