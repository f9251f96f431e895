//! A mapping whose keys are names that the file chooses.

use std::{collections::HashMap, fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer};

use super::{MapAccess, Span, Spanned, TABLE, Visitor};
use crate::config::leaf::Name;

/// Named values in the order of the file. Every name is well formed and stands once; what was not
/// so has been reported and left out.
#[derive(Debug, Clone)]
pub struct Table<T> {
    entries: Vec<Entry<T>>,
    /// Where each name is in `entries`; `None` for one whose value could not be read.
    index: HashMap<String, Option<usize>>,
}

/// One named value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<T> {
    /// Its name.
    pub name: Spanned<String>,
    /// The value.
    pub value: T,
    /// Where the value stands.
    pub span: Span,
}

impl<T> Table<T> {
    /// The entries in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry<T>> {
        self.entries.iter()
    }

    /// The same, to be changed.
    pub(in crate::config) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Entry<T>> {
        self.entries.iter_mut()
    }

    /// The entry of this name.
    pub fn get(&self, name: &str) -> Option<&Entry<T>> {
        self.index.get(name).copied().flatten().map(|at| &self.entries[at])
    }

    /// Whether the file has the name, be its value readable or not: a reference to it is no
    /// mistake.
    pub fn contains(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    /// How many entries could be read.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no entry could be read.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), index: HashMap::new() }
    }
}

impl<'a, T> IntoIterator for &'a Table<T> {
    type Item = &'a Entry<T>;
    type IntoIter = std::slice::Iter<'a, Entry<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(TABLE, TableVisitor(PhantomData))
    }
}

struct TableVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TableVisitor<T> {
    type Value = Table<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping from names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Table<T>, A::Error> {
        let mut table = Table::default();
        loop {
            // What is an error has been reported by the deserializer, which goes on behind it. The
            // value under a bad name is read all the same, for the sake of its own findings.
            let name = match map.next_key::<Spanned<Name>>() {
                Ok(None) => return Ok(table),
                Ok(Some(name)) => Some(name),
                Err(_) => None,
            };
            let value = map.next_value::<Spanned<T>>().ok();
            let Some(name) = name else { continue };
            let name = Spanned { value: name.value.into(), span: name.span };
            let at = value.is_some().then_some(table.entries.len());
            table.index.insert(String::clone(&name.value), at);
            table.entries.extend(value.map(|Spanned { value, span }| Entry { name, value, span }));
        }
    }
}
