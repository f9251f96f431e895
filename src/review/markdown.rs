//! A review for a comment under a pull request: bounded in size, the worst first.

use super::{Review, entry::Entry, escape, text};
use crate::exposure::diff::Effect;

/// The most bytes of a comment. GitHub takes 65,536 characters, and something is left for whoever
/// wraps it.
pub const MAX_BYTES: usize = 60_000;

/// What is kept free for saying what was cut.
const RESERVE: usize = 500;

/// The whole review, or as much of it as fits.
#[must_use]
pub fn render(review: &Review<'_>) -> String {
    let mut page = Page { text: String::new(), cut: 0 };
    page.add(&heading(review));
    for notice in &review.governance {
        page.add(&format!("**GOVERNANCE** {}\n\n", escape::code(&notice.text)));
    }
    for change in &review.diff.changes {
        if change.effect != Effect::Neutral {
            page.add(&section(&Entry::of(review, change)));
        }
    }
    for line in text::unchanged(review) {
        page.add(&format!("{}\n\n", escape::code(&line)));
    }
    page.add(&escape::block(&text::table(review)));
    page.end()
}

fn heading(review: &Review<'_>) -> String {
    let verdict =
        if review.passes() { "Nothing here needs an approval." } else { "This needs an approval." };
    format!("### portcullis: {}\n\n{verdict}\n\n", review.summary())
}

fn section(entry: &Entry) -> String {
    let onward = entry.upstream.iter().map(|upstream| format!(" → {}", escape::code(upstream)));
    format!(
        "**{}** listener {}{} at {}\n\n{}\n",
        entry.word,
        escape::code(&entry.listener),
        onward.collect::<String>(),
        escape::code(&entry.place),
        escape::block(&text::rows(entry)),
    )
}

/// A text that grows piece by piece up to its bound.
struct Page {
    text: String,
    /// How many pieces found no room.
    cut: usize,
}

impl Page {
    fn add(&mut self, piece: &str) {
        // Once something is left out, so is everything after it: order is by weight.
        if self.cut > 0 || self.text.len() + piece.len() > MAX_BYTES - RESERVE {
            self.cut += 1;
        } else {
            self.text.push_str(piece);
        }
    }

    fn end(mut self) -> String {
        if self.cut > 0 {
            let cut = self.cut;
            self.text.push_str(&format!(
                "**Cut: {cut} more parts did not fit into {MAX_BYTES} bytes.** What stands above is the \
                 worst; `portcullis diff --format text` prints all of it.\n"
            ));
        }
        self.text
    }
}
