//! Words from a file made harmless: what moves a cursor, colours a screen, or hides its neighbours
//! cannot leave here.

use std::borrow::Cow;

/// Words on one line, without a character that acts on whoever shows them.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    replace(text, |character| is_hostile(character).then_some('\u{fffd}'))
}

/// Characters that move the cursor, colour the screen, or reorder or hide what stands beside them.
pub(super) fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// The text with every character that has a stand-in replaced by it.
pub(super) fn replace(text: &str, stand_in: impl Fn(char) -> Option<char>) -> Cow<'_, str> {
    if text.chars().all(|character| stand_in(character).is_none()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|character| stand_in(character).unwrap_or(character)).collect())
}
