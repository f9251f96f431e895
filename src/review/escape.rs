//! Text from a file made harmless for where it goes.

/// The longest piece of somebody's text that is shown, in characters: long enough for a sentence,
/// too short to push everything else out of sight.
const MAX_PIECE: usize = 300;

/// For a terminal and for any other line of text: what could move the cursor, end the line or turn
/// the direction of writing is spelled out, and what is too long is cut.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len().min(4 * MAX_PIECE));
    for (at, sign) in text.chars().enumerate() {
        if at == MAX_PIECE {
            safe.push('…');
            break;
        }
        if sign.is_control() || is_invisible(sign) {
            safe.extend(sign.escape_unicode());
        } else {
            safe.push(sign);
        }
    }
    safe
}

/// For Markdown: a code span, in which nothing is markup, a mention or a link.
#[must_use]
pub fn code(text: &str) -> String {
    let safe = plain(text);
    let fence = "`".repeat(longest_run(&safe, '`') + 1);
    if fence.len() == 1 {
        return format!("`{safe}`");
    }
    // A span may begin and end with a blank, which is not shown.
    format!("{fence} {safe} {fence}")
}

/// For Markdown: lines as they are, in a block whose fence no line can close.
#[must_use]
pub fn block(lines: &str) -> String {
    let fence = "`".repeat((longest_run(lines, '`') + 1).max(3));
    format!("{fence}text\n{lines}{fence}\n")
}

/// For HTML and SVG, between tags and in attributes.
#[must_use]
pub fn markup(text: &str) -> String {
    let mut safe = String::new();
    for sign in plain(text).chars() {
        match sign {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            sign => safe.push(sign),
        }
    }
    safe
}

/// Characters that are not seen and change what is: zero-width ones, those that turn the direction
/// of writing (CVE-2021-42574), separators of lines, tags.
fn is_invisible(sign: char) -> bool {
    matches!(
        sign,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|sign| sign != of).map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_or_turns_the_writing() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{202e}d"), "a\\u{1b}[2Jb\\u{a}c\\u{202e}d");
        assert_eq!(plain(&"x".repeat(5000)).chars().count(), MAX_PIECE + 1);
    }

    #[test]
    fn a_span_cannot_be_closed_from_within() {
        assert_eq!(code("db"), "`db`");
        assert_eq!(code("a` @everyone <b>"), "`` a` @everyone <b> ``");
        assert_eq!(block("```\n::error::\n"), "````text\n```\n::error::\n````\n");
    }

    #[test]
    fn markup_has_no_tags() {
        assert_eq!(markup("<script>'\"&"), "&lt;script&gt;&#39;&quot;&amp;");
    }
}
