//! What guardrails let pass of each listener: freely, by a grant, or not at all.

pub mod gained;

use std::collections::BTreeMap;

use super::{Accept, Destination, Exposure, vantage::Senders};
use crate::{
    address::{Date, class, classify, set::AddressSet},
    policy::{
        Action, Expose, Listener, ListenerId, Policy,
        governance::{
            Excess, Few, Flow, Grant, Guardrail, GuardrailFile, Net, Scope, Standing, standing,
        },
    },
};

/// What every guardrail says of every listener.
#[derive(Debug, Default)]
pub struct Leaves<'g> {
    leaves: BTreeMap<ListenerId, Vec<Leave<'g>>>,
}

/// What one guardrail says of one thing that a listener exposes.
#[derive(Debug)]
pub struct Leave<'g> {
    /// Which guardrail, by its place among those that were given.
    pub guardrail: usize,
    /// What is exposed, in its eyes.
    pub flow: Flow,
    /// Whether it may be.
    pub pass: Pass<'g>,
}

impl Leave<'_> {
    /// Why it may not be, in the name of the guardrail that says so; nothing if it may be.
    #[must_use]
    pub fn refusal(&self, guardrails: &[GuardrailFile], today: Date) -> Option<String> {
        let file = guardrails.get(self.guardrail)?;
        let (name, scope) = (file.name(), self.flow.scope);
        let near = match &self.pass {
            Pass::Refused(near) => near.as_ref(),
            Pass::Free | Pass::Perhaps | Pass::Granted(_) => return None,
        };
        let Some(Near { id, grant, excess }) = near else {
            return Some(match (scope, &file.meaning.private_means) {
                (Scope::Private, Some(private)) => format!(
                    "guardrail `{name}` counts only {} as private, and this service has no grant",
                    Few(private)
                ),
                _ => format!(
                    "guardrail `{name}` lets no service expose `{scope}` without a grant, and this service has none"
                ),
            });
        };
        if !excess.is_empty() {
            let outside: Vec<_> = excess.iter().map(ToString::to_string).collect();
            return Some(format!(
                "guardrail `{name}` has no grant that holds all of it; outside the nearest, {id}: {}",
                outside.join(", ")
            ));
        }
        Some(match standing(&grant.expires, today) {
            Standing::Expired(last) => {
                format!("grant {id} of guardrail `{name}` ended with {last}, UTC")
            }
            Standing::Malformed => {
                format!("grant {id} of guardrail `{name}` ends on no day, so it counts as expired")
            }
            Standing::Unlimited | Standing::Left(_) => {
                format!("grant {id} of guardrail `{name}` has not begun yet")
            }
        })
    }
}

/// Whether something may be exposed.
#[derive(Debug)]
pub enum Pass<'g> {
    /// Without a grant.
    Free,
    /// Only the host can tell whether it needs a grant.
    Perhaps,
    /// By the grant of this id.
    Granted(&'g str),
    /// It may not. The nearest of the service's grants, if it has any.
    Refused(Option<Near<'g>>),
}

/// A grant that does not let something pass.
#[derive(Debug)]
pub struct Near<'g> {
    /// Its id.
    pub id: &'g str,
    /// The grant.
    pub grant: &'g Grant,
    /// What is outside its box; nothing when only its days are over.
    pub excess: Vec<Excess>,
}

impl<'g> Leaves<'g> {
    /// Holds every listener against every guardrail.
    #[must_use]
    pub fn of(
        policy: &Policy,
        exposure: &Exposure,
        guardrails: &'g [GuardrailFile],
        today: Date,
    ) -> Self {
        let mut leaves: BTreeMap<_, Vec<_>> = BTreeMap::new();
        // One that is wrong refuses every file as it is; what it would have let pass nobody knows.
        let readable = guardrails.iter().enumerate().filter(|(_, file)| !file.is_wrong());
        for (at, file) in readable {
            let grants = Grants::of(&file.meaning, policy.service.as_deref());
            let near = Senders::by(&file.meaning);
            for listener in policy.listeners.values() {
                let accepts = exposure.listener(&listener.id);
                let of_listener: &mut Vec<_> = leaves.entry(listener.id.clone()).or_default();
                for (flow, need) in flows(listener, accepts, &file.meaning, &near) {
                    let pass = match need {
                        Need::None => Pass::Free,
                        Need::Perhaps => Pass::Perhaps,
                        Need::Grant => grants.pass(listener, &flow, today),
                    };
                    of_listener.push(Leave { guardrail: at, flow, pass });
                }
            }
        }
        Self { leaves }
    }

    /// What the guardrails say of a listener, in their order.
    #[must_use]
    pub fn listener(&self, id: &ListenerId) -> &[Leave<'g>] {
        self.leaves.get(id).map_or(&[], Vec::as_slice)
    }
}

/// Whether a grant holds on a day: neither over nor yet to begin.
#[must_use]
pub fn holds(grant: &Grant, today: Date) -> bool {
    standing(&grant.expires, today).holds() && grant.approved_on.is_none_or(|day| day <= today)
}

/// Whether a flow needs a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    None,
    Perhaps,
    Grant,
}

/// What a listener exposes in the eyes of a guardrail, a flow for each family, scope and range of
/// ports.
fn flows(
    listener: &Listener,
    accepts: &[Accept],
    guardrail: &Guardrail,
    near: &Senders,
) -> Vec<(Flow, Need)> {
    let upstream = upstream(listener);
    if let Expose::Unix(_) = listener.expose {
        let is_free = guardrail.may_expose.contains(&Scope::Unix);
        let need = if is_free { Need::None } else { Need::Grant };
        return vec![(Flow { scope: Scope::Unix, upstream, net: None }, need)];
    }
    let mut flows = Vec::new();
    for accept in accepts {
        for (scope, need) in needs(accept, guardrail) {
            let near = near.to(scope.class(), Some(accept.family()));
            let clients = listener.admitted(near);
            for ports in &listener.ports {
                let clients = AddressSet::clone(&clients);
                let net = Some(Net { family: accept.family(), ports: *ports, clients });
                flows.push((Flow { scope, upstream: upstream.clone(), net }, need));
            }
        }
    }
    flows
}

/// What a listener leads to, as a box names it.
fn upstream(listener: &Listener) -> String {
    match &listener.action {
        Action::Forward(upstream) => upstream.to_string(),
        Action::Status => STATUS.to_owned(),
    }
}

/// How a box names the built-in status page, in words that no upstream can have.
const STATUS: &str = "serve:status";

/// What the addresses of an accept may count as.
pub(super) fn scopes(accept: &Accept, guardrail: &Guardrail) -> Vec<Scope> {
    let parts = parts(accept, guardrail).into_iter().flatten();
    let mut scopes: Vec<_> = parts.map(|(scope, _)| scope).collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

fn needs(accept: &Accept, guardrail: &Guardrail) -> Vec<(Scope, Need)> {
    let of_class = |parts: Vec<(Scope, bool)>| {
        let free = parts.iter().find(|(_, is_free)| *is_free);
        let bound = parts.iter().find(|(_, is_free)| !is_free);
        match (free, bound) {
            (Some(_), Some((scope, _))) => Some((*scope, Need::Perhaps)),
            (None, Some((scope, _))) => Some((*scope, Need::Grant)),
            (Some((scope, _)), None) => Some((*scope, Need::None)),
            (None, None) => None,
        }
    };
    parts(accept, guardrail).into_iter().filter_map(of_class).collect()
}

/// The addresses of an accept, class by class, split by what they count as: each part with its
/// scope and whether it needs no grant.
fn parts(accept: &Accept, guardrail: &Guardrail) -> Vec<Vec<(Scope, bool)>> {
    match &accept.destination {
        Destination::Open => vec![vec![(Scope::Any, Scope::Any.is_in(&guardrail.may_expose))]],
        Destination::One(address) => {
            let alone = AddressSet::of_blocks([(*address).into()]);
            vec![guardrail.split(&alone, classify(*address))]
        }
        Destination::Within(set) => {
            let of_class =
                |class| guardrail.split(&set.intersection(class::addresses_of(class)), class);
            accept.classes().into_iter().map(of_class).collect()
        }
    }
}

/// The grants of a guardrail for one service, by listener.
#[derive(Debug)]
struct Grants<'g>(BTreeMap<&'g str, Vec<(&'g str, &'g Grant)>>);

impl<'g> Grants<'g> {
    fn of(guardrail: &'g Guardrail, service: Option<&str>) -> Self {
        let mut grants: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (id, grant) in &guardrail.grants {
            if service == Some(&*grant.value.service) {
                let of_listener = grants.entry(&*grant.value.listener).or_default();
                of_listener.push((&**id, &grant.value));
            }
        }
        Self(grants)
    }

    fn pass(&self, listener: &Listener, flow: &Flow, today: Date) -> Pass<'g> {
        match self.granting(listener, flow, today) {
            Some(id) => Pass::Granted(id),
            None => Pass::Refused(self.nearest(listener, flow)),
        }
    }

    /// The grant that lets it pass. A signature that names a grant relies on that one, whatever
    /// else is granted.
    fn granting(&self, listener: &Listener, flow: &Flow, today: Date) -> Option<&'g str> {
        let named = named(listener);
        let is_meant = |id: &str| named.is_none_or(|named| named == id);
        let mut own = self.own(listener).iter();
        let grants = |(id, grant): &&(&str, &Grant)| {
            is_meant(id) && holds(grant, today) && grant.bounds.excess(flow).is_empty()
        };
        own.find(grants).map(|(id, _)| *id)
    }

    /// The grant that is least beside it: of the listener's own, or of some others.
    fn nearest(&self, listener: &Listener, flow: &Flow) -> Option<Near<'g>> {
        let named = named(listener);
        let others = self.0.values().flatten();
        let others = others.filter(|(_, grant)| grant.listener != listener.id.as_str());
        let near = |(id, grant): &(&'g str, &'g Grant)| {
            let mut excess = grant.bounds.excess(flow);
            if grant.listener != listener.id.as_str() {
                excess.push(Excess::Listener(listener.id.to_string()));
            }
            if let Some(named) = named.filter(|named| named != id) {
                excess.push(Excess::Named(named.to_owned()));
            }
            Near { id, grant, excess }
        };
        let all = self.own(listener).iter().chain(others.take(MAX_COMPARED)).map(near);
        all.min_by_key(|near| near.excess.len())
    }

    fn own(&self, listener: &Listener) -> &[(&'g str, &'g Grant)] {
        self.0.get(listener.id.as_str()).map_or(&[], Vec::as_slice)
    }
}

/// The grant that the listener's signature names.
fn named(listener: &Listener) -> Option<&str> {
    listener.allow.as_ref().and_then(|allow| allow.grant.as_deref())
}

/// How many grants of other listeners are compared in search of the nearest.
const MAX_COMPARED: usize = 64;
