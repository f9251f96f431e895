//! One word, or a list of them.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use super::WORDS;
use crate::{
    config::value::{Each, Spanned},
    source::Span,
};

/// One word, or a list of them; what they mean is judged later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextOrList {
    /// The word.
    Text(String),
    /// The words.
    List(Vec<Spanned<String>>),
}

impl TextOrList {
    /// The words with their places; `span` is where the value stands.
    pub fn words(&self, span: Span) -> impl Iterator<Item = (&str, Span)> {
        let (text, list) = match self {
            Self::Text(text) => (Some((text.as_str(), span)), [].as_slice()),
            Self::List(list) => (None, list.as_slice()),
        };
        text.into_iter().chain(list.iter().map(|word| (word.value.as_str(), word.span)))
    }
}

impl<'de> Deserialize<'de> for TextOrList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = TextOrList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word, or a list of words")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<TextOrList, E> {
                Ok(TextOrList::Text(text.to_owned()))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                list: D,
            ) -> Result<TextOrList, D::Error> {
                Each::deserialize(list).map(|words| TextOrList::List(words.0))
            }
        }

        deserializer.deserialize_newtype_struct(WORDS, Visitor)
    }
}
