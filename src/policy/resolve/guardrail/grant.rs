//! One grant, and its box.

use std::collections::BTreeSet;

use super::{Resolver, Scope};
use crate::{
    address::{Date, read, set::AddressSet},
    config::{Each, Field, PortRange as Written, Spanned, TextOrList, guardrail as written},
    policy::{
        Expiry, Family, PortRange,
        governance::{Bounds, Grant},
    },
    source::Span,
};

/// The word for every client, and for every upstream.
const ANY: &str = "any";

impl Resolver<'_> {
    /// A grant with its id. One whose box cannot be read grants nothing, and has been reported.
    pub(super) fn grant(
        &mut self,
        written: &written::Grant,
        span: Span,
    ) -> Option<(String, Grant)> {
        let id = self.demanded(&written.id, "id", span);
        let service = self.demanded(&written.service, "service", span);
        let listener = self.demanded(&written.listener, "listener", span);
        if written.r#box.is_absent() {
            self.missing(span, "box");
        }
        let bounds = written.r#box.set().and_then(|(bounds, span)| self.bounds(bounds, span));
        let approved_on = written.approved_on.set().and_then(|(text, span)| {
            let day = Date::read(text);
            if day.is_none() {
                let message = format!("`{text}` is no day");
                self.bad(span, message, "write it as YYYY-MM-DD");
            }
            day
        });
        let grant = Grant {
            service: service?,
            listener: listener?,
            bounds: bounds?,
            reason: self.text(&written.reason),
            owner: self.text(&written.owner),
            ticket: self.text(&written.ticket),
            approved_by: self.text(&written.approved_by),
            approved_on,
            expires: expiry(&written.expires),
        };
        Some((id?, grant))
    }

    /// A box. No side of it has a default, for a default would widen.
    fn bounds(&mut self, written: &written::Bounds, span: Span) -> Option<Bounds> {
        let from = self.findings.len();
        let scopes = self.scopes(&written.classes);
        self.expected(&written.classes, "classes", span);
        self.expected(&written.upstreams, "upstreams", span);
        // A path has neither family nor port, and its clients have no address.
        if scopes != BTreeSet::from([Scope::Unix]) {
            self.expected(&written.families, "families", span);
            self.expected(&written.protocol, "protocol", span);
            self.expected(&written.ports, "ports", span);
            self.expected(&written.clients, "clients", span);
        }
        let families = self.words(&written.families, &[("v4", Family::V4), ("v6", Family::V6)]);
        let is_tcp = self.word(&written.protocol, &[("tcp", true), ("udp", false)]);
        let ports = written.ports.get().map(joined).unwrap_or_default();
        let clients = written.clients.set().map(|(list, span)| self.granted_clients(list, span));
        let upstreams = written.upstreams.set().map(|(list, span)| {
            list.words(span).map(|(word, _)| word.to_owned()).collect::<BTreeSet<_>>()
        });
        (self.findings.len() == from).then_some(Bounds {
            scopes,
            families,
            is_tcp: is_tcp.unwrap_or(true),
            ports,
            clients: clients.unwrap_or_default(),
            upstreams: upstreams.filter(|list| !list.contains(ANY)),
        })
    }

    fn expected<T>(&mut self, field: &Field<T>, key: &str, span: Span) {
        if field.is_absent() {
            self.missing(span, key);
        }
    }

    fn granted_clients(&mut self, list: &TextOrList, span: Span) -> AddressSet {
        let mut set = AddressSet::default();
        for (word, span) in list.words(span) {
            if word == ANY {
                set = AddressSet::all();
                continue;
            }
            match read::block(word) {
                Ok(block) => set = set.union(&AddressSet::of_blocks([block])),
                Err(fault) => self.fault(word, span, &fault, false),
            }
        }
        set
    }
}

/// A last day as written: what is no day counts as past.
pub(in crate::policy::resolve) fn expiry(written: &Field<String>) -> Expiry {
    match written {
        Field::Absent => Expiry::Never,
        Field::Bad(_) => Expiry::Malformed,
        Field::Set(text, _) => Date::read(text).map_or(Expiry::Malformed, Expiry::On),
    }
}

/// The ranges sorted, those that touch as one.
fn joined(list: &Each<Spanned<Written>>) -> Vec<PortRange> {
    let mut ranges: Vec<_> = list
        .iter()
        .map(|range| PortRange { first: range.value.first(), last: range.value.last() })
        .collect();
    ranges.sort_unstable();
    let mut joined: Vec<PortRange> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(before) if range.first <= before.last.saturating_add(1) => {
                before.last = before.last.max(range.last);
            }
            _ => joined.push(range),
        }
    }
    joined
}
