//! Repairs of a file that have exactly one outcome and change nobody's reach: the same thing in a
//! spelling that is read one way.
//!
//! What a finding's help merely suggests is no repair: only its author knows what was meant.

use std::{collections::BTreeMap, sync::Arc};

use super::Compiled;
use crate::{
    address::read,
    config::{self, Config, Expose, Field, Form},
    diagnostic::{Code, Diagnostic},
    exposure::{
        Exposure,
        diff::{Effect, diff},
        reach::Reach,
    },
    policy::{Policy, claim::Assume, resolve::resolve},
    source::{Source, Span},
};

/// How many repairs are tried one by one when they do not all fit together. Each is a whole
/// judgement of the file; whoever has more of them runs the command again.
const MAX_ONE_BY_ONE: usize = 64;

/// How often a repaired file is looked at again: a repair can fit only after another was made.
const MAX_ROUNDS: usize = 8;

/// The rules whose findings can have a repair, each with the other spelling of what stands at one.
const REPAIRS: [(&str, Respell); 3] = [
    // As the word of `expose`, and nowhere else: elsewhere `loopback` could be somebody's name.
    ("PC0202", |text, is_word| {
        within_quotes(text, |it| (is_word && it == "localhost").then(|| "loopback".to_owned()))
    }),
    ("PC0203", |text, _| within_quotes(text, as_v4)),
    ("PC1104", |text, _| quoted(text)),
];

/// Another spelling of a text, if there is exactly one; told whether it is a word of `expose`.
type Respell = fn(&str, bool) -> Option<String>;

/// A repaired text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// All of it, of which only the repaired places differ.
    pub text: String,
    /// How many places those are.
    pub places: usize,
}

/// The repair of one finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What the finding is about.
    pub code: Code,
    /// Its place, all of which is replaced.
    pub span: Span,
    /// What to write there.
    pub new: String,
}

/// Repairs what can be repaired; nothing where every repair would change a listener's reach or
/// bring another finding to light. `judge` is how the file is judged, before and after.
#[must_use]
pub fn fix(source: &Source, judge: &dyn Fn(&Source) -> Compiled) -> Option<Fixed> {
    let mut fixed = once(source, judge)?;
    for _ in 1..MAX_ROUNDS {
        let Ok(source) = Source::from_bytes(source.path(), fixed.text.as_bytes()) else { break };
        let Some(next) = once(&source, judge) else { break };
        fixed = Fixed { places: fixed.places + next.places, ..next };
    }
    Some(fixed)
}

fn once(source: &Source, judge: &dyn Fn(&Source) -> Compiled) -> Option<Fixed> {
    let edits = edits(source, &judge(source).findings, judge);
    let text = applied(source.text(), &edits)?;
    (!edits.is_empty()).then_some(Fixed { text, places: edits.len() })
}

/// The repairs of these findings of a file, in order, that fit together; see [`fix`], which makes
/// them, and looks for more in what comes of it.
#[must_use]
pub fn edits(
    source: &Source,
    before: &[Diagnostic],
    judge: &dyn Fn(&Source) -> Compiled,
) -> Vec<Edit> {
    // Most files have nothing to repair, and are not read once more for that.
    if !before.iter().any(|finding| repair(finding.code).is_some()) {
        return Vec::new();
    }
    let (config, _) = config::parse(source);
    let words = config.as_ref().map(places_of_words).unwrap_or_default();
    let mut edits: Vec<_> =
        before.iter().filter_map(|finding| edit(source, finding, &words)).collect();
    edits.sort_by_key(|edit| edit.span);
    edits.dedup_by_key(|edit| edit.span);
    if edits.is_empty() {
        return edits;
    }
    let trial = Trial { source, config: config.as_ref(), before, judge };
    if trial.accepts(&edits) {
        return edits;
    }
    // Two that fit alone need not fit together: each is held against those before it.
    let mut fitting = Vec::new();
    for edit in edits.into_iter().take(MAX_ONE_BY_ONE) {
        fitting.push(edit);
        if !trial.accepts(&fitting) {
            fitting.pop();
        }
    }
    fitting
}

/// The one other spelling of what a finding is about, if there is one.
fn edit(source: &Source, finding: &Diagnostic, words: &[Span]) -> Option<Edit> {
    let span = finding.primary.span;
    let new = repair(finding.code)?(source.slice(span), words.contains(&span))?;
    Some(Edit { code: finding.code, span, new })
}

fn repair(code: Code) -> Option<Respell> {
    REPAIRS.iter().find(|(of, _)| *of == code.0).map(|(_, respell)| *respell)
}

/// The word in quotes, which is text to every version of YAML.
fn quoted(word: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-+.:".contains(&byte);
    (!word.is_empty() && word.bytes().all(is_plain)).then(|| format!("\"{word}\""))
}

fn within_quotes(text: &str, respell: impl Fn(&str) -> Option<String>) -> Option<String> {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|it| it.strip_suffix(quote)) {
            return respell(inner).map(|new| format!("{quote}{new}{quote}"));
        }
    }
    respell(text)
}

/// A v4-mapped address as the IPv4 address that it is. The unspecified one is left to its author:
/// nobody writes it by accident.
fn as_v4(text: &str) -> Option<String> {
    let (v4, written) = read::unmapped(text)?;
    (!v4.is_unspecified()).then_some(written)
}

/// Where the short form of `expose` stands, of listeners and of their sides.
fn places_of_words(config: &Config) -> Vec<Span> {
    let mut places = Vec::new();
    for listener in &config.listeners {
        match listener.value.expose.set() {
            Some((Form::Short(_), span)) => places.push(span),
            Some((Form::Long(long), _)) => places.extend(sides(long)),
            None => {}
        }
    }
    places
}

fn sides(long: &Expose) -> impl Iterator<Item = Span> {
    let short = |field: &Field<Box<Form<Expose>>>| match field.set() {
        Some((form, span)) if matches!(**form, Form::Short(_)) => Some(span),
        _ => None,
    };
    [short(&long.v4), short(&long.v6)].into_iter().flatten()
}

/// What edits are held against.
struct Trial<'a> {
    source: &'a Source,
    config: Option<&'a Config>,
    before: &'a [Diagnostic],
    judge: &'a dyn Fn(&Source) -> Compiled,
}

impl Trial<'_> {
    /// Whether the edits take away their findings, bring no other, and leave every listener that
    /// could be read as it was.
    fn accepts(&self, edits: &[Edit]) -> bool {
        let Some(edited) = self.edited(edits) else { return false };
        let after = (self.judge)(&edited).findings;
        if after.len() + edits.len() > self.before.len() {
            return false;
        }
        let mut known: BTreeMap<_, usize> = BTreeMap::new();
        for finding in self.before {
            *known.entry(identity(finding)).or_default() += 1;
        }
        for finding in &after {
            match known.get_mut(&identity(finding)) {
                Some(count @ 1..) => *count -= 1,
                _ => return false,
            }
        }
        self.keeps_reach(&edited)
    }

    /// Whether the difference of both files changes nothing for listeners that could be read. One
    /// that could not had no reach to compare with: what it has now is what was written there, in
    /// another spelling. The same goes for an entry of a client list.
    fn keeps_reach(&self, edited: &Source) -> bool {
        let (Some(before), (Some(after), _)) = (self.config, config::parse(edited)) else {
            return false;
        };
        let (before, mut after) = (resolve(before).0, resolve(&after).0);
        after.listeners.retain(|id, _| before.listeners.contains_key(id));
        for (id, listener) in &mut after.listeners {
            let clients = before.listeners.get(id).and_then(|was| was.clients.clone());
            Arc::make_mut(listener).clients = clients;
        }
        let reach = |policy: &Policy| Reach::of(policy, &Exposure::of(policy), Assume::All);
        let diff = diff((&before, &reach(&before)), (&after, &reach(&after)));
        diff.effect() == Effect::Neutral
    }

    fn edited(&self, edits: &[Edit]) -> Option<Source> {
        let text = applied(self.source.text(), edits)?;
        Source::from_bytes(self.source.path(), text.as_bytes()).ok()
    }
}

/// What a finding is, wherever it stands.
fn identity(finding: &Diagnostic) -> (&'static str, Option<&str>, &str) {
    (finding.code.0, finding.listener.as_deref(), &finding.message)
}

/// The text with the edits, which are in order and do not overlap.
fn applied(text: &str, edits: &[Edit]) -> Option<String> {
    let mut new = String::with_capacity(text.len());
    let mut from = 0;
    for Edit { span, new: words, .. } in edits {
        new.push_str(text.get(from..span.start as usize)?);
        new.push_str(words);
        from = span.end as usize;
    }
    new.push_str(text.get(from..)?);
    Some(new)
}

#[cfg(test)]
mod tests;
