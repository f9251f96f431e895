//! Values with a syntax of their own: durations, rates, names, ranges of ports, counts.

mod duration;
mod rate;
mod text_or_list;

pub use duration::{Duration, MAX_DURATION};
pub use rate::{MAX_RATE, Rate};
pub use text_or_list::TextOrList;

use std::{fmt, num::NonZeroU32, str::FromStr};

use serde::{Deserialize, Deserializer, de};

use super::value::{Each, Spanned, with_help};
use crate::{address::read, diagnostic::text::Shown};

/// The longest name.
pub const MAX_NAME: usize = 63;

/// A name that the file chooses. Having one tells you that it matches `[a-z0-9][a-z0-9_-]{0,62}`,
/// so it can stand in a log, a metric and a terminal as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_good = text.bytes().next().is_some_and(is_plain)
            && text.bytes().all(|byte| is_plain(byte) || byte == b'_' || byte == b'-')
            && text.len() <= MAX_NAME;
        if is_good {
            return Ok(Self(text.to_owned()));
        }
        Err(with_help(
            format_args!("`{}` is not a name", Shown(text)),
            format_args!(
                "use at most {MAX_NAME} of `a` to `z`, `0` to `9`, `_` and `-`, and begin with a letter or digit"
            ),
        ))
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A duration, or the word `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DurationOrNone {
    /// `none`: without end.
    None,
    /// That long.
    Lasts(Duration),
}

impl<'de> Deserialize<'de> for DurationOrNone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Leaf {
            expected: "a duration such as `30s`, or `none`",
            text: |text| {
                if text == "none" { Ok(Self::None) } else { text.parse().map(Self::Lasts) }
            },
            number: |number| Err(duration::without_unit(number)),
        })
    }
}

/// A positive whole number, or a word whose meaning is judged later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CountOrWord {
    /// The number.
    Count(NonZeroU32),
    /// The word.
    Word(String),
}

impl<'de> Deserialize<'de> for CountOrWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Leaf {
            expected: "a positive whole number or a word",
            text: |text| Ok(Self::Word(text.to_owned())),
            number: |number| {
                let count = u32::try_from(number).ok().and_then(NonZeroU32::new);
                count.map(Self::Count).ok_or_else(|| {
                    format!("expected a whole number from 1 to {}, found `{number}`", u32::MAX)
                })
            },
        })
    }
}

/// A list of words, or the word `none`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// `none`.
    None,
    /// The words, judged later.
    List(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of words, or `none`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Words, E> {
                if text == "none" {
                    return Ok(Words::None);
                }
                let text = Shown(text);
                Err(E::custom(with_help(
                    format_args!("expected a list of words or `none`, found `{text}`"),
                    format_args!("put brackets around a single word: `[{text}]`"),
                )))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                list: D,
            ) -> Result<Words, D::Error> {
                Each::deserialize(list).map(|words| Words::List(words.0))
            }
        }

        deserializer.deserialize_newtype_struct(WORDS, Visitor)
    }
}

/// Asks for text, or for a list as a newtype struct.
pub(super) const WORDS: &str = "$Words";

/// One port, or several in a row. The first is not above the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// The lowest port.
    #[must_use]
    pub fn first(self) -> u16 {
        self.first
    }

    /// The highest port, which belongs to the range.
    #[must_use]
    pub fn last(self) -> u16 {
        self.last
    }
}

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            with_help(
                format_args!("`{}` is not a range of ports", Shown(text)),
                "write a port such as `443`, or the first and the last one: `20000-20099`",
            )
        };
        let port = |text| read::port(text).map_err(|_| bad());
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (port(first)?, port(last)?);
        if first > last {
            return Err(with_help(
                format_args!("the range `{first}-{last}` runs backwards"),
                format_args!("write `{last}-{first}`"),
            ));
        }
        Ok(Self { first, last })
    }
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Leaf {
            expected: "a port or a range of ports such as `20000-20099`",
            text: str::parse,
            number: |number| number.to_string().parse(),
        })
    }
}

/// Reads a value from text or from a whole number.
struct Leaf<T> {
    /// To complete "expected …".
    expected: &'static str,
    text: fn(&str) -> Result<T, String>,
    number: fn(u64) -> Result<T, String>,
}

impl<T> de::Visitor<'_> for Leaf<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.text)(text).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        (self.number)(number).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_plain_words() {
        for good in ["a", "0", "web-1", "a_b", &"x".repeat(63)] {
            assert_eq!(good.parse::<Name>().map(String::from).as_deref(), Ok(good));
        }
        for bad in ["", "-a", "_a", "Web", "a b", "a.b", "é", "a\n", &"x".repeat(64)] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn port_ranges_run_forwards() {
        let good = |first, last| Ok(PortRange { first, last });
        assert_eq!("443".parse(), good(443, 443));
        assert_eq!("20000-20099".parse(), good(20000, 20099));
        assert_eq!("0".parse(), good(0, 0));
        assert_eq!(
            "2-1".parse::<PortRange>().unwrap_err(),
            "the range `2-1` runs backwards\nhelp: write `1-2`"
        );
        for bad in ["", "-", "1-", "-1", "1-2-3", "65536", "+1", "01", "1 - 2", "http", "１"] {
            let error = bad.parse::<PortRange>().unwrap_err();
            assert!(error.starts_with(&format!("`{bad}` is not a range")), "{error}");
        }
    }
}
