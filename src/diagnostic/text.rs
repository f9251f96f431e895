//! Text from the file inside a message: short, and on one line.

use std::fmt;

/// How many characters of a value a message repeats; the rest stands under the span anyway.
const MAX_SHOWN: usize = 60;

/// Shows at most [`MAX_SHOWN`] characters, control characters escaped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.chars();
        for character in rest.by_ref().take(MAX_SHOWN) {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        f.write_str(if rest.next().is_some() { "…" } else { "" })
    }
}

/// Words in backticks with commas between them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed<'a>(pub(crate) &'a [&'a str]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.0.iter().enumerate() {
            write!(f, "{}`{word}`", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// The word that was probably meant, if any is near enough.
pub(crate) fn nearest<'a>(written: &str, words: &[&'a str]) -> Option<&'a str> {
    if written.len() > MAX_SHOWN {
        return None;
    }
    let distance = |word: &&str| strsim::damerau_levenshtein(written, word);
    let near = |word: &&str| distance(word) <= 1 + word.len() / 4 && distance(word) < word.len();
    words.iter().copied().filter(near).min_by_key(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_hostile_and_long_text_harmlessly() {
        assert_eq!(Shown("a\u{1b}[31m\nb").to_string(), "a\\u{1b}[31m\\nb");
        assert_eq!(Shown(&"é".repeat(61)).to_string(), format!("{}…", "é".repeat(60)));
        assert_eq!(Listed(&["a", "b"]).to_string(), "`a`, `b`");
    }

    #[test]
    fn finds_the_word_that_was_meant() {
        assert_eq!(nearest("prot", &["ports", "port", "protocol"]), Some("port"));
        assert_eq!(nearest("max_conections", &["max_connections"]), Some("max_connections"));
        assert_eq!(nearest("x", &["v4", "v6"]), None);
        assert_eq!(nearest("colour", &["port", "limits"]), None);
    }
}
