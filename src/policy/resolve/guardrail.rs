//! A guardrail file, from what was written to what it means.

mod grant;

pub(super) use grant::expiry;

use std::collections::{BTreeMap, BTreeSet};

use super::{LANGUAGE_VERSION, MISSING_KEY, Resolver};
use crate::{
    address::{Class, class, read, set::AddressSet},
    config::{Config, Each, Field, Spanned, code::LIMIT_EXCEEDED, guardrail as written},
    diagnostic::{Diagnostic, Level},
    policy::governance::{Grant, Guardrail, Key, Scope, Suppressions, Terms, TicketPattern, Zone},
    source::Span,
};

/// The most grants in a file. Whether two overlap is asked of every pair.
const MAX_GRANTS: usize = 4096;

/// The most zones in a file: every address is held against each.
const MAX_ZONES: usize = 256;

/// The keys of an expectation that can be demanded.
const EXPECTATION_KEYS: [(&str, Key); 3] =
    [("reason", Key::Reason), ("owner", Key::Owner), ("expires", Key::Expires)];

/// Resolves a guardrail as far as it can be resolved. What has no meaning is absent and reported; a
/// guardrail with a finding is fit to refuse with, and not to accept.
#[must_use]
pub fn guardrail(written: &written::Guardrail) -> (Guardrail, Vec<Diagnostic>) {
    let nothing = Config::default();
    let mut resolver = Resolver::new(&nothing);
    resolver.guardrail_version(written);
    let name = resolver.demanded(&written.name, "name", Span::default());
    let exceptions = written.exceptions.get().cloned().unwrap_or_default();
    let mut guardrail = Guardrail {
        name: name.unwrap_or_default(),
        policy_owner: resolver.text(&written.policy_owner),
        may_expose: resolver.scopes(&written.may_expose),
        private_means: written.private_means.get().map(|blocks| resolver.private(blocks)),
        zones: resolver.zones(&written.zones),
        levels: resolver.levels(written.lints.get()),
        terms: resolver.terms(&exceptions),
        grants: resolver.grants(&exceptions.grants),
        suppressions: resolver.suppressions(written.suppressions.get()),
        claims: Vec::new(),
    };
    if written.may_expose.is_absent() {
        let message = "`may_expose` is missing";
        let help = "list what needs no grant, such as `may_expose: [loopback, unix, private]`";
        resolver.report(Diagnostic::error(MISSING_KEY, Span::default(), message).help(help));
    }
    guardrail.claims = resolver.claims(&written.tests, Some(&guardrail));
    (guardrail, resolver.findings)
}

impl Resolver<'_> {
    fn guardrail_version(&mut self, written: &written::Guardrail) {
        match written.portcullis_guardrails.set() {
            Some((version, span)) if *version != LANGUAGE_VERSION => {
                let message = format!(
                    "this program speaks version {LANGUAGE_VERSION} of the language, not {version}"
                );
                let help = "write `portcullis_guardrails: 1`, or use a program that knows the newer language";
                self.bad(span, message, help);
            }
            None if written.portcullis_guardrails.is_absent() => {
                let message = "the file does not say which version of the language it is in";
                let finding = Diagnostic::error(MISSING_KEY, Span::default(), message);
                self.report(finding.help("add `portcullis_guardrails: 1` as the first line"));
            }
            _ => {}
        }
    }

    /// A text that has to be there, and is reported when it is not.
    pub(super) fn demanded(
        &mut self,
        field: &Field<String>,
        key: &str,
        span: Span,
    ) -> Option<String> {
        if field.is_absent() {
            self.missing(span, key);
        }
        self.text(field)
    }

    /// Each word of a list that is one of these.
    fn words<T: Copy + Ord>(
        &mut self,
        list: &Field<Each<Spanned<String>>>,
        words: &[(&'static str, T)],
    ) -> BTreeSet<T> {
        let mut found = BTreeSet::new();
        for word in list.get().into_iter().flatten() {
            match words.iter().find(|(known, _)| *known == word.value) {
                Some((_, meaning)) => {
                    found.insert(*meaning);
                }
                None => {
                    let known = words.iter().map(|(known, _)| *known);
                    self.unknown_word(&word.value, word.span, known);
                }
            }
        }
        found
    }

    fn scopes(&mut self, list: &Field<Each<Spanned<String>>>) -> BTreeSet<Scope> {
        self.words(list, &Scope::ALL.map(|scope| (scope.word(), scope)))
    }

    fn keys(&mut self, list: &Field<Each<Spanned<String>>>) -> BTreeSet<Key> {
        self.words(list, &Key::WORDS)
    }

    /// Blocks of private space, of which a guardrail may leave out, and to which it cannot add.
    fn private(&mut self, blocks: &Each<Spanned<String>>) -> AddressSet {
        let private = class::addresses_of(Class::Private);
        let mut found = Vec::new();
        for block in blocks {
            match read::block(&block.value) {
                Ok(one) if AddressSet::of_blocks([one]).is_subset(private) => found.push(one),
                Ok(one) => {
                    let message = format!("{one} is not private space");
                    let help = "say in `zones` what it counts as, or remove it";
                    self.bad(block.span, message, help);
                }
                Err(fault) => self.fault(&block.value, block.span, &fault, false),
            }
        }
        AddressSet::of_blocks(found)
    }

    fn zones(&mut self, list: &Field<Each<Spanned<written::Zone>>>) -> Vec<Zone> {
        let mut zones: Vec<(Zone, Span)> = Vec::new();
        for Spanned { value, span } in list.get().into_iter().flatten().take(MAX_ZONES) {
            let cidr = self.demanded(&value.cidr, "cidr", *span);
            let why = self.demanded(&value.why, "why", *span);
            if value.class.is_absent() {
                self.missing(*span, "class");
            }
            // A zone says what addresses are; every address at once and a path are none.
            let scopes =
                [Scope::Loopback, Scope::Link, Scope::Private, Scope::Shared, Scope::Public];
            let scope = self.word(&value.class, &scopes.map(|scope| (scope.word(), scope)));
            let (Some(cidr), Some(_), Some(scope)) = (cidr, why, scope) else { continue };
            let at = value.cidr.span().unwrap_or(*span);
            let block = match read::block(&cidr) {
                Ok(block) => AddressSet::of_blocks([block]),
                Err(fault) => {
                    self.fault(&cidr, at, &fault, false);
                    continue;
                }
            };
            let before = zones.iter().find(|(zone, _)| !zone.block.intersection(&block).is_empty());
            if let Some((_, first)) = before {
                let message = "an address cannot be in two zones";
                let finding = Diagnostic::error(super::BAD_VALUE, at, message);
                let help = "split the wider zone, or remove one of the two";
                self.report(finding.related(*first, "the first zone is here").help(help));
                continue;
            }
            zones.push((Zone { block, scope }, at));
        }
        if let Some((all, span)) = list.set()
            && all.0.len() > MAX_ZONES
        {
            let message = format!("more than {MAX_ZONES} zones");
            let help = "join zones that touch";
            self.report(Diagnostic::error(LIMIT_EXCEEDED, span, message).help(help));
        }
        zones.into_iter().map(|(zone, _)| zone).collect()
    }

    /// Levels by code. That a code exists is a rule's business.
    fn levels(&mut self, lints: Option<&written::Lints>) -> BTreeMap<String, Level> {
        let mut levels = BTreeMap::new();
        let Some(lints) = lints else { return levels };
        let lists = [
            (Level::Forbid, &lints.forbid),
            (Level::Error, &lints.error),
            (Level::Warn, &lints.warn),
        ];
        for (level, list) in lists {
            for code in list.get().into_iter().flatten() {
                if levels.insert(code.value.clone(), level).is_some() {
                    let message = format!("`{}` is listed twice", code.value);
                    self.bad(code.span, message, "leave it in one list");
                }
            }
        }
        levels
    }

    fn terms(&mut self, exceptions: &written::Exceptions) -> Terms {
        let ticket_pattern = exceptions.ticket_pattern.set().and_then(|(text, span)| {
            TicketPattern::read(text)
                .map_err(|why| {
                    let message = format!("this is no regular expression: {why}");
                    self.bad(span, message, "write one such as `'^SEC-\\d+$'`");
                })
                .ok()
        });
        Terms {
            require: self.keys(&exceptions.require),
            max_days: exceptions.max_days.get().copied(),
            ticket_pattern,
            warn_before_days: exceptions.warn_before_days.get().copied().unwrap_or(0),
        }
    }

    fn grants(
        &mut self,
        list: &Field<Each<Spanned<written::Grant>>>,
    ) -> BTreeMap<String, Spanned<Grant>> {
        let mut grants = BTreeMap::new();
        let mut places: BTreeMap<String, Span> = BTreeMap::new();
        let Some((list, span)) = list.set() else { return grants };
        if list.0.len() > MAX_GRANTS {
            let message = format!("more than {MAX_GRANTS} grants");
            let help = "write one guardrail file for each group of services";
            self.report(Diagnostic::error(LIMIT_EXCEEDED, span, message).help(help));
        }
        for Spanned { value, span } in list.iter().take(MAX_GRANTS) {
            let Some((id, grant)) = self.grant(value, *span) else { continue };
            let at = value.id.span().unwrap_or(*span);
            if let Some(first) = places.get(&id) {
                let message = format!("there are two grants `{id}`");
                let finding = Diagnostic::error(super::BAD_VALUE, at, message);
                let help = "give every grant an id of its own";
                self.report(finding.related(*first, "the first is here").help(help));
                continue;
            }
            places.insert(id.clone(), at);
            grants.insert(id, Spanned { value: grant, span: *span });
        }
        grants
    }

    fn suppressions(&mut self, written: Option<&written::Suppressions>) -> Suppressions {
        let Some(written) = written else { return Suppressions::default() };
        Suppressions {
            allowed: written.allowed.get().copied().unwrap_or(true),
            require: self.words(&written.require, &EXPECTATION_KEYS),
            max_days: written.max_days.get().copied(),
            forbid_codes: written
                .forbid_codes
                .get()
                .into_iter()
                .flatten()
                .map(|code| code.value.clone())
                .collect(),
        }
    }
}
