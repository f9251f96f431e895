//! The shapes in which values stand in the file: present or not, with a place, short or long.
//!
//! The types of the language are ordinary `derive(Deserialize)` structs of these. What a derive
//! cannot say (where a value stands, that a bad one must not hide its neighbours) passes between
//! here and `decode` under the names of newtype structs below, so these types are read by that
//! deserializer alone.

mod table;

pub use table::{Entry, Table};

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use crate::source::Span;

/// Asks for a sequence of the first byte, the byte after the last, and the value.
pub(super) const SPANNED: &str = "$Spanned";

/// Asks for the same, and for a finding.
pub(super) const NOT_YET: &str = "$NotYet";

/// Asks for a sequence whose bad elements are reported one by one.
pub(super) const EACH: &str = "$Each";

/// Asks for text, or for a mapping as a newtype struct.
pub(super) const FORM: &str = "$Form";

/// Asks for a mapping with names for keys; what is none is reported and is an empty mapping.
pub(super) const TABLE: &str = "$Table";

/// The value of a key. One that could not be read is reported and does not hide its neighbours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// The key is there, its value was no `T`, and that has been reported.
    Bad(Span),
    /// The value, and where it stands.
    Set(T, Span),
}

impl<T> Field<T> {
    /// The value, if one could be read.
    pub fn get(&self) -> Option<&T> {
        self.set().map(|(value, _)| value)
    }

    /// Where the value stands, good or bad.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Absent => None,
            Self::Bad(span) | Self::Set(_, span) => Some(*span),
        }
    }

    /// The value and where it stands, if one could be read.
    pub fn set(&self) -> Option<(&T, Span)> {
        match self {
            Self::Set(value, span) => Some((value, *span)),
            Self::Absent | Self::Bad(_) => None,
        }
    }

    /// Whether the key is not there. A bad value is there, and reported: it needs no second
    /// finding.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(FieldVisitor(PhantomData))
    }
}

/// Serde's derive asks for an option where a key is missing, which fills in [`Field::Absent`] and
/// leaves `#[serde(default)]` free to mean "optional" in a schema.
struct FieldVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FieldVisitor<T> {
    type Value = Field<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_none<E>(self) -> Result<Field<T>, E> {
        Ok(Field::Absent)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field<T>, D::Error> {
        deserializer.deserialize_newtype_struct(SPANNED, self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Field<T>, A::Error> {
        let span = span(&mut parts)?;
        // The deserializer has reported the error.
        Ok(parts
            .next_element()
            .ok()
            .flatten()
            .map_or(Field::Bad(span), |value| Field::Set(value, span)))
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(SPANNED, SpannedVisitor(PhantomData))
    }
}

struct SpannedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SpannedVisitor<T> {
    type Value = Spanned<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Spanned<T>, A::Error> {
        let span = span(&mut parts)?;
        let value = parts.next_element()?.ok_or_else(|| A::Error::custom("a value is missing"))?;
        Ok(Spanned { value, span })
    }
}

fn span<'de, A: SeqAccess<'de>>(parts: &mut A) -> Result<Span, A::Error> {
    let start = parts.next_element()?.unwrap_or_default();
    let end = parts.next_element()?.unwrap_or_default();
    Ok(Span { start, end })
}

/// A list of which the good elements are kept and the bad ones have been reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Each<T>(pub Vec<T>);

impl<T> Default for Each<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Each<T> {
    /// The good elements in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }
}

impl<'a, T> IntoIterator for &'a Each<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Each<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(EACH, EachVisitor(PhantomData))
    }
}

struct EachVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EachVisitor<T> {
    type Value = Each<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Each<T>, A::Error> {
        let mut good = Vec::new();
        loop {
            match items.next_element() {
                Ok(Some(item)) => good.push(item),
                Ok(None) => return Ok(Each(good)),
                // The deserializer has reported the element and stands behind it.
                Err(_) => {}
            }
        }
    }
}

/// A value with a short form, which is text, and a long one, which is a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form<T> {
    /// The text.
    Short(String),
    /// The mapping.
    Long(T),
}

/// The long form of something that also has a short one.
pub trait LongForm {
    /// What may stand there, short or long, to complete "expected …".
    const EXPECTED: &'static str;
    /// What to write where something else stood; one imperative sentence.
    const CURE: &'static str;
}

impl<T: LongForm> LongForm for Box<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    const CURE: &'static str = T::CURE;
}

impl<'de, T: Deserialize<'de> + LongForm> Deserialize<'de> for Form<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(FORM, FormVisitor(PhantomData))
    }
}

struct FormVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + LongForm> Visitor<'de> for FormVisitor<T> {
    type Value = Form<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&with_help(T::EXPECTED, T::CURE))
    }

    fn visit_str<E>(self, text: &str) -> Result<Form<T>, E> {
        Ok(Form::Short(text.to_owned()))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, mapping: D) -> Result<Form<T>, D::Error> {
        T::deserialize(mapping).map(Form::Long)
    }
}

/// A key that is part of the language but does not work yet: its value is read, so that its own
/// mistakes are reported too, and using it is a finding. It keeps nothing but the place.
pub struct NotYet<T> {
    /// Where the value stands, if the key is there.
    pub span: Option<Span>,
    value: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for NotYet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NotYet").field(&self.span).finish()
    }
}

impl<T> Clone for NotYet<T> {
    fn clone(&self) -> Self {
        Self { span: self.span, value: PhantomData }
    }
}

impl<T> Default for NotYet<T> {
    fn default() -> Self {
        Self { span: None, value: PhantomData }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for NotYet<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(NotYetVisitor(PhantomData))
    }
}

struct NotYetVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NotYetVisitor<T> {
    type Value = NotYet<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_none<E>(self) -> Result<NotYet<T>, E> {
        Ok(NotYet::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<NotYet<T>, D::Error> {
        deserializer.deserialize_newtype_struct(NOT_YET, self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<NotYet<T>, A::Error> {
        let span = span(&mut parts)?;
        // Good or bad, the value is dropped: the deserializer has reported what is wrong with it.
        drop(parts.next_element::<T>());
        Ok(NotYet { span: Some(span), value: PhantomData })
    }
}

/// Joins a message and its cure into the one text that serde's errors carry.
pub(super) fn with_help(message: impl fmt::Display, help: impl fmt::Display) -> String {
    format!("{message}{HELP}{help}")
}

/// Takes apart what [`with_help`] has joined.
pub(super) fn split_help(text: &str) -> (&str, Option<&str>) {
    text.split_once(HELP).map_or((text, None), |(message, help)| (message, Some(help)))
}

/// No message has a line break, for what it repeats from the file is escaped.
const HELP: &str = "\nhelp: ";
