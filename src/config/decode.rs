//! From the tree to the types, reporting every mistake on the way and not only the first.
//!
//! A serde deserializer stops at its first error. This one reports an error where it happens and
//! lets the types of [`value`](super::value) go on behind it, so an error that leaves here has a
//! place and has been reported.

mod access;
mod error;

use std::fmt;

use serde::{
    Deserialize,
    de::{self, IntoDeserializer, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};

use self::{
    access::{Entries, Items},
    error::Error,
};
use super::{
    Config, code,
    findings::Findings,
    guardrail::Guardrail,
    leaf::WORDS,
    scalar::{self, Scalar},
    value::{EACH, FORM, NOT_YET, SPANNED, TABLE, with_help},
    words,
    yaml::{self, Key, Kind, Node, Notation},
};
use crate::{
    diagnostic::{Diagnostic, text::Shown},
    source::{Source, Span},
};

/// The cure where a list stands in the place of a table.
const NAMED: &str = "give every entry a name, such as `web:`, and no `-`";

/// Reads a file as far as it can be read; see [`parse`](super::parse).
pub(super) fn decode(source: &Source) -> (Option<Config>, Vec<Diagnostic>) {
    let findings = Findings::default();
    let config = read::<Config>(source, &findings).map(|mut config| {
        words::check(&mut config, &findings);
        config
    });
    let mut findings = findings.into_sorted();
    if let Some(config) = &config {
        name_listeners(config, &mut findings);
    }
    (config, findings)
}

/// Reads a guardrail file as far as it can be read.
pub(super) fn guardrail(source: &Source) -> (Option<Guardrail>, Vec<Diagnostic>) {
    let findings = Findings::default();
    let guardrail = read(source, &findings);
    (guardrail, findings.into_sorted())
}

fn read<T: for<'de> Deserialize<'de>>(source: &Source, findings: &Findings) -> Option<T> {
    let root = yaml::parse(source, findings)?;
    let node = At { node: &root, key: None, findings };
    T::deserialize(node).map_err(|error| node.report(error)).ok()
}

/// Says of each finding in which listener it stands.
fn name_listeners(config: &Config, findings: &mut [Diagnostic]) {
    let listeners: Vec<_> = config.listeners.iter().collect();
    for finding in findings {
        let at = finding.primary.span.start;
        let before = listeners.partition_point(|entry| entry.name.span.start <= at);
        let entry = before.checked_sub(1).and_then(|last| listeners.get(last));
        // An alias for a listener is its span, so nothing of what it stands for lies in it.
        if let Some(entry) = entry.filter(|entry| at < entry.span.end) {
            finding.listener = Some(entry.name.value.clone());
        }
    }
}

/// A place in the tree from which a value is to be read.
#[derive(Clone, Copy)]
struct At<'a, 's> {
    node: &'a Node<'s>,
    /// The key of which it is the value.
    key: Option<&'a Key<'s>>,
    findings: &'a Findings,
}

/// What stands at a place.
enum Found<'a, 's> {
    Scalar(Scalar, &'a yaml::Text<'s>),
    List(&'a [std::rc::Rc<Node<'s>>]),
    Mapping(&'a [(Key<'s>, std::rc::Rc<Node<'s>>)]),
    /// Something that has been reported.
    Refused,
}

impl<'a, 's> At<'a, 's> {
    fn found(self) -> Found<'a, 's> {
        match &self.node.target().kind {
            Kind::Scalar(text) => match text.notation {
                Notation::Plain => Found::Scalar(scalar::read(&text.text), text),
                Notation::Quoted => Found::Scalar(Scalar::Text, text),
                Notation::Ambiguous => Found::Refused,
            },
            Kind::List(items) => Found::List(items),
            Kind::Mapping(entries) => Found::Mapping(entries),
            Kind::Alias(_) | Kind::Refused => Found::Refused,
        }
    }

    /// The error of finding something else than what was expected.
    fn wrong(self, expected: impl fmt::Display) -> Error {
        match self.found() {
            Found::Refused => Error::Reported,
            _ => Error::wrong(&expected),
        }
    }

    /// Reports an error unless that has been done.
    fn report(self, error: Error) -> Error {
        let mut span = self.node.span;
        let (code, message, mut help) = match error {
            Error::Reported => return error,
            Error::Wrong { expected, help } => {
                (code::WRONG_TYPE, format!("expected {expected}, found {}", self.found()), help)
            }
            Error::Bad { message, help } => (code::BAD_VALUE, message, help),
        };
        if let (Some(key), true) = (self.key, span.start == span.end) {
            // There is nothing to point at but the key.
            span = key.span;
            help = Some("write a value after the colon, or remove the key".to_owned());
        }
        let mut finding = Diagnostic::error(code, span, message);
        finding.help.extend(help);
        self.findings.push(finding);
        Error::Reported
    }

    /// A whole number from zero to `max`.
    fn whole(self, max: u64) -> Result<u64, Error> {
        let expected = format!("a whole number from 0 to {max}");
        match self.found() {
            Found::Scalar(Scalar::Whole(number), _) if number <= max => Ok(number),
            Found::Scalar(Scalar::Whole(number), _) => {
                Err(Error::bad(&format_args!("expected {expected}, found `{number}`")))
            }
            _ => Err(self.wrong_or_quoted(expected, |read| matches!(read, Scalar::Whole(_)))),
        }
    }

    /// The error for a scalar of another type, with the cure if only its quotation marks are wrong.
    fn wrong_or_quoted(
        self,
        expected: impl fmt::Display,
        is_expected: impl Fn(Scalar) -> bool,
    ) -> Error {
        match self.found() {
            Found::Scalar(Scalar::Text, text) if is_expected(scalar::read(&text.text)) => {
                self.wrong(with_help(expected, "remove the quotation marks"))
            }
            _ => self.wrong(expected),
        }
    }

    /// Text, for which a bare number or truth value is not taken: the schema would refuse it too.
    fn text(self) -> Result<&'a str, Error> {
        match self.found() {
            Found::Scalar(Scalar::Text, text) => Ok(&text.text),
            Found::Scalar(Scalar::Nothing, _) => Err(self.wrong("text")),
            Found::Scalar(_, text) => {
                let help = format!("write `\"{}\"` if it is meant as text", Shown(&text.text));
                Err(self.wrong(with_help("text", help)))
            }
            _ => Err(self.wrong("text")),
        }
    }

    fn spanned<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(access::Parts::new(self, self.node.span, |error| self.report(error)))
    }

    /// Reports the key as one that does not work yet.
    fn not_yet(self) {
        let Some(key) = self.key else { return };
        let name = Shown(&key.text.text);
        let message = format!("`{name}` is part of the language but not supported yet");
        let finding = Diagnostic::error(code::NOT_SUPPORTED_YET, key.span, message);
        self.findings.push(finding.help(format!("remove `{name}`")));
    }

    fn entries(self, known: Option<&'static [&'static str]>) -> Result<Entries<'a, 's>, Error> {
        match self.found() {
            Found::Mapping(entries) => Ok(Entries::new(entries, known, self.findings)),
            _ => Err(self.wrong("a mapping")),
        }
    }

    fn items(self) -> Result<Items<'a, 's>, Error> {
        match self.found() {
            Found::List(items) => Ok(Items::new(items, self.findings)),
            Found::Scalar(Scalar::Text | Scalar::Whole(_), text) => {
                let help =
                    format!("put brackets around a single element: `[{}]`", Shown(&text.text));
                Err(self.wrong(with_help("a list", help)))
            }
            _ => Err(self.wrong("a list")),
        }
    }
}

impl fmt::Display for Found<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(Scalar::Nothing, _) => f.write_str("nothing"),
            Self::Scalar(Scalar::Bool(value), _) => write!(f, "the truth value `{value}`"),
            Self::Scalar(Scalar::Whole(_) | Scalar::Number(_), text) => {
                write!(f, "the number `{}`", Shown(&text.text))
            }
            Self::Scalar(Scalar::Text, text) => write!(f, "the text `{}`", Shown(&text.text)),
            Self::List(_) => f.write_str("a list"),
            Self::Mapping(_) => f.write_str("a mapping"),
            Self::Refused => f.write_str("nothing readable"),
        }
    }
}

impl<'de> de::Deserializer<'de> for At<'_, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.found() {
            Found::Scalar(Scalar::Nothing, _) => visitor.visit_unit(),
            Found::Scalar(Scalar::Bool(value), _) => visitor.visit_bool(value),
            Found::Scalar(Scalar::Whole(number), _) => visitor.visit_u64(number),
            Found::Scalar(Scalar::Number(number), _) => visitor.visit_f64(number),
            Found::Scalar(Scalar::Text, text) => visitor.visit_str(&text.text),
            Found::List(items) => visitor.visit_seq(Items::new(items, self.findings)),
            Found::Mapping(entries) => {
                visitor.visit_map(Entries::new(entries, None, self.findings))
            }
            Found::Refused => Err(Error::Reported),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.found() {
            Found::Scalar(Scalar::Bool(value), _) => visitor.visit_bool(value),
            _ => {
                Err(self
                    .wrong_or_quoted("`true` or `false`", |read| matches!(read, Scalar::Bool(_))))
            }
        }
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u64(self.whole(u16::MAX.into())?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u64(self.whole(u32::MAX.into())?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.found() {
            Found::Scalar(Scalar::Whole(number), _) => visitor.visit_u64(number),
            Found::Scalar(Scalar::Number(number), _) => visitor.visit_f64(number),
            _ => Err(self.wrong("a number")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    /// A key without a value is there and wrong, not absent: `clients:` with every line below it
    /// commented out must not let everyone in.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match (name, self.found()) {
            (SPANNED, _) => self.spanned(visitor),
            (NOT_YET, _) => {
                self.not_yet();
                self.spanned(visitor)
            }
            (EACH, _) => visitor.visit_seq(self.items()?),
            (TABLE, Found::Mapping(entries)) => {
                visitor.visit_map(Entries::new(entries, None, self.findings))
            }
            (TABLE, _) => {
                self.report(self.wrong(with_help("a mapping", NAMED)));
                visitor.visit_map(Entries::new(&[], None, self.findings))
            }
            (FORM, Found::Mapping(_)) | (WORDS, Found::List(_)) => {
                visitor.visit_newtype_struct(self)
            }
            (FORM | WORDS, _) => self.deserialize_any(visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self.items()?)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(self.entries(None)?)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(self.entries(Some(fields))?)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u64 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct
        enum identifier ignored_any
    }
}

/// A key, which is text whatever it looks like.
#[derive(Clone, Copy)]
struct AtKey<'a, 's> {
    key: &'a Key<'s>,
    findings: &'a Findings,
}

impl AtKey<'_, '_> {
    fn report(self, error: Error) -> Error {
        // An ambiguous key has been reported already.
        if self.key.text.notation != Notation::Ambiguous
            && let Error::Bad { message, help } = error
        {
            let mut finding = Diagnostic::error(code::BAD_VALUE, self.key.span, message);
            finding.help.extend(help);
            self.findings.push(finding);
        }
        Error::Reported
    }
}

impl<'de> de::Deserializer<'de> for AtKey<'_, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(&self.key.text.text)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text: StrDeserializer<'_, Error> = self.key.text.text.as_ref().into_deserializer();
        visitor.visit_seq(access::Parts::new(text, self.key.span, |error| self.report(error)))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
