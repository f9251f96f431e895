//! The exceptions that concern a file, with the places where they are written.

use super::Context;
use crate::{
    address::{Class, set::AddressSet},
    config::{Field, Spanned, claim, guardrail as written},
    diagnostic::Level,
    exposure::asserted,
    policy::{
        Action, Allow, Expose, Listener, ListenerId, PortRange,
        claim::Expectation,
        governance::{Grant, GuardrailFile, Standing},
    },
    source::Span,
};

/// A grant for the service of the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held<'a> {
    /// The guardrail it is of, by its place among those that were given.
    pub(super) guardrail: usize,
    /// That guardrail.
    pub(super) file: &'a GuardrailFile,
    /// Its id.
    pub(super) id: &'a str,
    /// What it means.
    pub(super) grant: &'a Grant,
    /// What was written.
    pub(super) written: &'a written::Grant,
    /// Where.
    pub(super) span: Span,
}

/// An expected finding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    /// What it means.
    pub(super) meaning: &'a Expectation,
    /// What was written.
    pub(super) written: &'a claim::Expect,
    /// Where.
    pub(super) span: Span,
}

impl<'a> Held<'a> {
    /// Where a key of it stands, or all of it.
    pub(super) fn at<T>(&self, key: impl Fn(&'a written::Grant) -> &'a Field<T>) -> Span
    where
        T: 'a,
    {
        key(self.written).span().unwrap_or(self.span)
    }

    /// Whether the file has its listener.
    pub(super) fn has_listener(&self, cx: &Context<'_>) -> bool {
        cx.config.listeners.contains(&self.grant.listener)
    }
}

impl<'a> Expected<'a> {
    /// Where a key of it stands, or all of it.
    pub(super) fn at(&self, key: impl Fn(&'a claim::Expect) -> &'a Field<String>) -> Span {
        key(self.written).span().unwrap_or(self.span)
    }
}

impl<'a> Context<'a> {
    /// The guardrails that can be read, with their places among those that were given.
    pub(super) fn readable_guardrails(&self) -> impl Iterator<Item = (usize, &'a GuardrailFile)> {
        self.guardrails.iter().enumerate().filter(|(_, file)| !file.is_wrong())
    }

    /// The grants for this service, in the order of the files.
    pub(super) fn grants(&self) -> Vec<Held<'a>> {
        let mut held = Vec::new();
        for (guardrail, file) in self.readable_guardrails() {
            let grants = file.written.exceptions.get().and_then(|all| all.grants.get());
            for Spanned { value: written, span } in grants.into_iter().flatten() {
                let Some(id) = written.id.get() else { continue };
                let meaning = file.meaning.grants.get_key_value(id);
                let Some((id, meaning)) = meaning.filter(|(_, one)| one.span == *span) else {
                    continue;
                };
                let grant = &meaning.value;
                if self.policy.service.as_ref() == Some(&grant.service) {
                    held.push(Held { guardrail, file, id, grant, written, span: *span });
                }
            }
        }
        held
    }

    /// The findings that the file expects, in its order.
    pub(super) fn expectations(&self) -> Vec<Expected<'a>> {
        let written = self.config.expect.get().into_iter().flatten();
        let mut meanings = self.claims.expected.iter().peekable();
        let with_meaning = written.filter_map(|entry| {
            let meaning = meanings.next_if(|meaning| meaning.span == entry.span)?;
            Some(Expected { meaning: &meaning.value, written: &entry.value, span: entry.span })
        });
        with_meaning.collect()
    }

    /// Every listener that is signed for.
    pub(super) fn signed(&self) -> impl Iterator<Item = (&'a Listener, &'a Allow)> {
        let listeners = self.policy.listeners.values();
        listeners.filter_map(|listener| Some((&**listener, listener.allow.as_ref()?)))
    }
}

impl Context<'_> {
    /// Whether the listener runs already, and exposes nothing that it does not expose now: an
    /// exception that has ended since closes nothing.
    pub(super) fn runs(&self, listener: &Listener) -> bool {
        let Some(running) = self.running else { return false };
        let Some(now) = running.listeners.get(&listener.id) else { return false };
        let everyone = AddressSet::all();
        let clients = |of: &Listener| of.clients.clone().unwrap_or_else(|| everyone.clone());
        let has_ports = |wanted: &PortRange| {
            now.ports.iter().any(|had| had.first <= wanted.first && wanted.last <= had.last)
        };
        now.expose == listener.expose
            && now.action == listener.action
            && listener.ports.iter().all(has_ports)
            && clients(listener).is_subset(&clients(now))
            && match &listener.action {
                Action::Forward(id) => running.upstreams.get(id) == self.policy.upstreams.get(id),
                Action::Status => true,
            }
    }

    /// The same by name.
    pub(super) fn runs_by_name(&self, listener: &str) -> bool {
        let listener = self.policy.listeners.get(&ListenerId::new(listener));
        listener.is_some_and(|listener| self.runs(listener))
    }
}

/// What an exception weighs that has ended: a running socket is not closed for it.
pub(super) fn weight(runs: bool) -> Level {
    if runs { Level::Warn } else { Level::Error }
}

/// Whether a listener has to be signed for by the file itself, so that a lapsed signature is a
/// finding of the exposure already: what is wide, and shared space that is open to everyone in it.
pub(super) fn needs_signature(listener: &Listener) -> bool {
    let Expose::Ip(sides) = &listener.expose else { return false };
    let needs = |class: &Class| match class {
        Class::Public | Class::Any => true,
        Class::Shared => listener.clients.is_none(),
        _ => false,
    };
    sides.iter().any(|side| asserted(&side.place).iter().any(needs))
}

/// Until when, or since when not, in words after the exception's name.
pub(super) fn lapse(standing: Standing) -> Option<String> {
    match standing {
        Standing::Expired(last) => Some(format!("ended with {last}, UTC")),
        Standing::Malformed => {
            Some("ends on no day that is written YYYY-MM-DD, so it counts as expired".to_owned())
        }
        Standing::Unlimited | Standing::Left(_) => None,
    }
}

/// A number of days in words.
pub(super) fn days(count: u32) -> String {
    format!("{count} day{}", if count == 1 { "" } else { "s" })
}
