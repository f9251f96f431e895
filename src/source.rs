//! A file's text with its positions: what every later layer points into.

use std::ops::Range;

/// The largest file that is read, in bytes. Ten thousand listeners take 2.4 MB; what is larger is
/// no configuration but an accident.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// A byte range of a [`Source`], on character boundaries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span of the given bytes; positions beyond [`MAX_BYTES`] do not occur in a [`Source`].
    #[must_use]
    pub fn new(range: Range<usize>) -> Self {
        let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: clamp(range.start), end: clamp(range.end.max(range.start)) }
    }

    /// The bytes it covers.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A line and a column, both counted from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
}

/// Having one tells you that it is UTF-8, free of NUL, at most [`MAX_BYTES`] long, and that byte
/// offsets map to lines.
#[derive(Debug, Clone)]
pub struct Source {
    path: String,
    text: String,
    /// The byte at which each line starts.
    lines: Vec<usize>,
}

/// Why bytes are no [`Source`], with a readable stand-in to point into.
#[derive(Debug)]
pub struct Unreadable {
    /// The text as far as it can be shown, for rendering the finding.
    pub shown: Source,
    /// Where in `shown` the trouble is.
    pub span: Span,
    /// What is wrong.
    pub problem: Problem,
}

/// The ways in which bytes fail to be a [`Source`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// Longer than [`MAX_BYTES`].
    TooLarge,
    /// A byte sequence that is not UTF-8.
    NotUtf8,
    /// A NUL byte, which no text has.
    Nul,
}

impl Source {
    /// Reads the bytes of the file called `path` (used for display only).
    ///
    /// # Errors
    /// When the bytes are too many, no UTF-8, or contain NUL.
    pub fn from_bytes(path: &str, bytes: &[u8]) -> Result<Self, Box<Unreadable>> {
        let unreadable = |shown: String, span: Range<usize>, problem| {
            let shown = Self::from_text(path, shown);
            Err(Box::new(Unreadable { shown, span: Span::new(span), problem }))
        };
        if bytes.len() > MAX_BYTES {
            return unreadable(String::new(), 0..0, Problem::TooLarge);
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let at = error.valid_up_to();
                let shown = String::from_utf8_lossy(bytes).into_owned();
                return unreadable(
                    shown,
                    at..at + char::REPLACEMENT_CHARACTER.len_utf8(),
                    Problem::NotUtf8,
                );
            }
        };
        if let Some(at) = text.find('\0') {
            return unreadable(
                text.replace('\0', "\u{2400}"),
                at..at + '\u{2400}'.len_utf8(),
                Problem::Nul,
            );
        }
        Ok(Self::from_text(path, text.to_owned()))
    }

    fn from_text(path: &str, text: String) -> Self {
        let lines =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { path: path.to_owned(), text, lines }
    }

    /// The name it is shown under.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text under a span; empty for a span of another source.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// Where the byte stands.
    #[must_use]
    pub fn position(&self, byte: usize) -> Position {
        let line = self.line_of(byte);
        let before = self.text.get(self.lines[line - 1]..byte).unwrap_or_default();
        Position { line, column: before.chars().count() + 1 }
    }

    /// The line (from 1) that holds the byte.
    #[must_use]
    pub fn line_of(&self, byte: usize) -> usize {
        self.lines.partition_point(|start| *start <= byte)
    }

    /// The bytes of the lines `first..=last` (from 1, clamped to the text).
    #[must_use]
    pub fn lines(&self, first: usize, last: usize) -> Range<usize> {
        let start = self.lines.get(first.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let end = self.lines.get(last).copied().unwrap_or(self.text.len());
        start..end.max(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters_from_one() {
        let source = Source::from_bytes("x", "a: 1\nbé: 2\n".as_bytes()).unwrap();
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(8), Position { line: 2, column: 3 });
        assert_eq!(source.position(99), Position { line: 3, column: 1 });
        assert_eq!(source.text().get(source.lines(2, 2)), Some("bé: 2\n"));
    }

    #[test]
    fn says_where_it_is_not_text() {
        let problem = Source::from_bytes("x", b"a: \xff").unwrap_err();
        assert_eq!((problem.problem, problem.span), (Problem::NotUtf8, Span { start: 3, end: 6 }));
        let problem = Source::from_bytes("x", b"a\0b").unwrap_err();
        assert_eq!(
            (problem.problem, problem.shown.slice(problem.span)),
            (Problem::Nul, "\u{2400}")
        );
        let large = vec![b' '; MAX_BYTES + 1];
        assert_eq!(Source::from_bytes("x", &large).unwrap_err().problem, Problem::TooLarge);
    }
}
