//! Walks through lists, mappings, and the parts of a value with a place.

use std::{collections::HashMap, rc::Rc};

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, IntoDeserializer},
};

use super::{At, AtKey, Diagnostic, Error, Findings, Key, Node, Notation, Shown, Span, code};
use crate::diagnostic::text::{Listed, nearest};

/// The elements of a list. A bad one is reported, and the next call goes on behind it.
pub(super) struct Items<'a, 's> {
    rest: std::slice::Iter<'a, Rc<Node<'s>>>,
    findings: &'a Findings,
}

impl<'a, 's> Items<'a, 's> {
    pub(super) fn new(items: &'a [Rc<Node<'s>>], findings: &'a Findings) -> Self {
        Self { rest: items.iter(), findings }
    }
}

impl<'de> de::SeqAccess<'de> for Items<'_, '_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let Some(node) = self.rest.next() else { return Ok(None) };
        let at = At { node, key: None, findings: self.findings };
        seed.deserialize(at).map(Some).map_err(|error| at.report(error))
    }
}

/// The entries of a mapping, less unknown keys and second ones, which are reported.
pub(super) struct Entries<'a, 's> {
    rest: std::slice::Iter<'a, (Key<'s>, Rc<Node<'s>>)>,
    /// The keys of a struct; in a table every name will do.
    known: Option<&'static [&'static str]>,
    /// Where each key stands first.
    seen: HashMap<&'a str, Span>,
    /// The entry whose value comes next.
    current: Option<(&'a Key<'s>, &'a Node<'s>)>,
    findings: &'a Findings,
}

impl<'a, 's> Entries<'a, 's> {
    pub(super) fn new(
        entries: &'a [(Key<'s>, Rc<Node<'s>>)],
        known: Option<&'static [&'static str]>,
        findings: &'a Findings,
    ) -> Self {
        Self { rest: entries.iter(), known, seen: HashMap::new(), current: None, findings }
    }

    /// Whether the key is one to go on with; otherwise it has been reported.
    fn admits(&mut self, key: &'a Key<'s>) -> bool {
        let name: &'a str = &key.text.text;
        if let Some(known) = self.known
            && !known.contains(&name)
        {
            // An ambiguous key has been reported already.
            if key.text.notation != Notation::Ambiguous && !self.findings.is_full() {
                self.findings.push(unknown_key(key, known));
            }
            return false;
        }
        if let Some(first) = self.seen.get(name) {
            let message = format!("`{}` is set twice", Shown(name));
            let finding = Diagnostic::error(code::DUPLICATE_KEY, key.span, message)
                .label("second one")
                .related(*first, "first set here")
                .help("remove one of the two");
            self.findings.push(finding);
            return false;
        }
        self.seen.insert(name, key.span);
        true
    }
}

fn unknown_key(key: &Key<'_>, known: &[&str]) -> Diagnostic {
    let name: &str = &key.text.text;
    let help = match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("use one of {}", Listed(known)),
    };
    let message = format!("unknown key `{}`", Shown(name));
    Diagnostic::error(code::UNKNOWN_KEY, key.span, message).help(help)
}

impl<'de> de::MapAccess<'de> for Entries<'_, '_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        self.current = None;
        while let Some((key, value)) = self.rest.next() {
            if self.admits(key) {
                self.current = Some((key, value));
                let at = AtKey { key, findings: self.findings };
                return seed.deserialize(at).map(Some).map_err(|error| at.report(error));
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        // Serde asks for a value only after a key.
        let (key, node) = self.current.take().ok_or(Error::Reported)?;
        let at = At { node, key: Some(key), findings: self.findings };
        seed.deserialize(at).map_err(|error| at.report(error))
    }
}

/// A value with a place as a sequence: first byte, byte after the last, value.
pub(super) struct Parts<D, R> {
    rest: [Option<u32>; 2],
    value: Option<D>,
    report: R,
}

impl<D, R> Parts<D, R> {
    pub(super) fn new(value: D, span: Span, report: R) -> Self {
        Self { rest: [Some(span.start), Some(span.end)], value: Some(value), report }
    }
}

impl<'de, D, R> de::SeqAccess<'de> for Parts<D, R>
where
    D: Deserializer<'de, Error = Error>,
    R: Fn(Error) -> Error,
{
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        if let Some(bound) = self.rest.iter_mut().find_map(Option::take) {
            return seed.deserialize(bound.into_deserializer()).map(Some);
        }
        let Some(value) = self.value.take() else { return Ok(None) };
        seed.deserialize(value).map(Some).map_err(&self.report)
    }
}
