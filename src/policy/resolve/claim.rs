//! What a file claims of itself: its `tests` and its `expect`.

use std::collections::BTreeMap;

use super::{BAD_VALUE, MISSING_KEY, Resolver, UNKNOWN_REFERENCE, guardrail::expiry, nearest};
use crate::{
    address::{Class, class, read, set::AddressSet},
    config::{self, Config, Each, Field, Spanned, TextOrList},
    diagnostic::Diagnostic,
    policy::{
        ListenerId, UpstreamId,
        claim::{Assume, Claim, Expectation, Outcome, Target},
        governance::Guardrail,
    },
    source::Span,
};

/// The classes from which a claim may speak, and the word for all addresses.
const CLASSES: [Class; 5] =
    [Class::Host, Class::Link, Class::Private, Class::Shared, Class::Public];
const ALL: &str = "all";

/// What a service file claims of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// Its tests, in the order of the file.
    pub tests: Vec<Spanned<Claim>>,
    /// The findings it expects, in the order of the file.
    pub expected: Vec<Spanned<Expectation>>,
}

/// Resolves what a service file claims of itself, as far as it can be resolved; see
/// [`resolve`](super::resolve()), which reports what is wrong with the names it uses.
#[must_use]
pub fn claims(config: &Config) -> (Claims, Vec<Diagnostic>) {
    let mut resolver = Resolver::new(config);
    resolver.networks();
    resolver.findings.clear();
    let tests = resolver.claims(&config.tests, None);
    let expected = config.expect.get().into_iter().flatten();
    let expected =
        expected.filter_map(|entry| resolver.expectation(&entry.value, entry.span)).collect();
    (Claims { tests, expected }, resolver.findings)
}

impl Resolver<'_> {
    /// The claims of a service file, or those of a guardrail, in whose eyes the classes are.
    pub(super) fn claims(
        &mut self,
        list: &Field<Each<Spanned<config::claim::Claim>>>,
        guardrail: Option<&Guardrail>,
    ) -> Vec<Spanned<Claim>> {
        let mut claims = Vec::new();
        let mut names: BTreeMap<String, Span> = BTreeMap::new();
        for Spanned { value, span } in list.get().into_iter().flatten() {
            let Some(claim) = self.claim(value, *span, guardrail) else { continue };
            let at = value.name.span().unwrap_or(*span);
            if let Some(first) = names.insert(claim.name.clone(), at) {
                let message = format!("there are two tests called `{}`", claim.name);
                let finding = Diagnostic::error(BAD_VALUE, at, message);
                let help = "call one of them something else";
                self.report(finding.related(first, "the first is here").help(help));
            }
            claims.push(Spanned { value: claim, span: *span });
        }
        claims
    }

    fn claim(
        &mut self,
        written: &config::claim::Claim,
        span: Span,
        guardrail: Option<&Guardrail>,
    ) -> Option<Claim> {
        let name = self.demanded(&written.name, "name", span);
        for (is_absent, key) in [
            (written.from.is_absent(), "from"),
            (written.to.is_absent(), "to"),
            (written.expect.is_absent(), "expect"),
        ] {
            if is_absent {
                self.missing(span, key);
            }
        }
        let from = written.from.set().and_then(|(from, span)| self.sources(from, span, guardrail));
        let to = written.to.set().and_then(|(to, span)| self.target(to, span, guardrail.is_some()));
        let outcomes = [
            ("served", Outcome::Served),
            ("unreachable", Outcome::Unreachable),
            ("invisible", Outcome::Invisible),
        ];
        let outcome = self.word(&written.expect, &outcomes);
        let assume = self.assume(&written.assume, outcome)?;
        Some(Claim { name: name?, from: from?, to: to?, outcome: outcome?, assume })
    }

    /// What a claim takes for granted; `None` when it cannot be said.
    fn assume(&mut self, written: &Field<String>, outcome: Option<Outcome>) -> Option<Assume> {
        let Some((_, span)) = written.set() else {
            return written.is_absent().then_some(Assume::All);
        };
        let assume = self.word(written, &[("all", Assume::All), ("none", Assume::None)])?;
        if assume == Assume::None && outcome == Some(Outcome::Served) {
            let message = "what is assumed only keeps clients away: it cannot be what serves them";
            let help = "leave out `assume` where the test expects `served`";
            self.report(Diagnostic::error(BAD_VALUE, span, message).help(help));
            return None;
        }
        Some(assume)
    }

    /// The addresses that a claim speaks of; `None` when a word of it was reported.
    fn sources(
        &mut self,
        from: &TextOrList,
        span: Span,
        guardrail: Option<&Guardrail>,
    ) -> Option<AddressSet> {
        let before = self.findings.len();
        let mut set = AddressSet::default();
        for (word, span) in from.words(span) {
            let class = CLASSES.into_iter().find(|class| class.word() == word);
            if let Some(class) = class {
                let registered = || class::addresses_of(class).clone();
                set = set.union(&guardrail.map_or_else(registered, |one| one.addresses_of(class)));
            } else if word == ALL {
                set = AddressSet::all();
            } else {
                set = set.union(&self.clients_of(word, span));
            }
        }
        (self.findings.len() == before).then_some(set)
    }

    fn target(
        &mut self,
        written: &config::claim::Destination,
        span: Span,
        of_any_service: bool,
    ) -> Option<Target> {
        let keys = [
            written.upstream.span(),
            written.listener.span(),
            written.group.span(),
            written.address.span(),
        ];
        let mut keys = keys.into_iter().flatten();
        match (keys.next(), keys.next()) {
            (None, _) => {
                let finding = Diagnostic::error(MISSING_KEY, span, "nothing says to what");
                let help = "write `upstream`, `listener`, `group` or `address`";
                self.report(finding.help(help));
                return None;
            }
            (Some(first), Some(second)) => {
                let message = "a test has one far end";
                let finding = Diagnostic::error(BAD_VALUE, second, message);
                let help = "write a test for each";
                self.report(finding.related(first, "the first is here").help(help));
                return None;
            }
            (Some(_), None) => {}
        }
        if let Some((name, at)) = written.upstream.set() {
            // A guardrail speaks of many services, and not every one has the name.
            if !of_any_service && !self.config.upstreams.contains(name) {
                self.unknown_upstream(name, at);
                return None;
            }
            return Some(Target::Upstream(UpstreamId::new(name)));
        }
        if let Some((name, at)) = written.listener.set() {
            if !of_any_service && !self.config.listeners.contains(name) {
                let entries = self.config.listeners.iter();
                let listeners: Vec<_> = entries.map(|entry| &*entry.name.value).collect();
                let help = nearest(name, &listeners).map_or_else(
                    || "name a listener of this file".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                let message = format!("there is no listener `{name}`");
                self.report(Diagnostic::error(UNKNOWN_REFERENCE, at, message).help(help));
                return None;
            }
            return Some(Target::Listener(ListenerId::new(name)));
        }
        if let Some((name, _)) = written.group.set() {
            // Which groups there are is known where the exposure is: a rule judges the name.
            return Some(Target::Group(name.clone()));
        }
        let (text, at) = written.address.set()?;
        match read::endpoint(text) {
            Ok(endpoint) => Some(Target::Address(endpoint)),
            Err(fault) => {
                self.fault(text, at, &fault, true);
                None
            }
        }
    }

    fn expectation(
        &mut self,
        written: &config::claim::Expect,
        span: Span,
    ) -> Option<Spanned<Expectation>> {
        let code = self.demanded(&written.code, "code", span);
        let listener = self.demanded(&written.listener, "listener", span);
        let reason = self.demanded(&written.reason, "reason", span);
        let expectation = Expectation {
            code: code?,
            listener: listener?,
            reason: reason?,
            owner: self.text(&written.owner),
            expires: expiry(&written.expires),
        };
        Some(Spanned { value: expectation, span })
    }
}
