//! What guardrails say of what a change gains, flow by flow.

use std::sync::Arc;

use super::{Grants, Leave, Pass, upstream};
use crate::{
    address::{Class, Date, class, set::AddressSet},
    exposure::{
        diff::{Change, Level, Part},
        local::Local,
    },
    policy::{
        Family, Listener,
        governance::{Flow, Guardrail, GuardrailFile, Net, Scope},
    },
};

/// The guardrails of a service, ready to be asked about many changes.
#[derive(Debug)]
pub struct Judges<'g> {
    guardrails: Vec<(&'g Guardrail, Grants<'g>)>,
    today: Date,
}

impl<'g> Judges<'g> {
    /// Those of a service on a day.
    #[must_use]
    pub fn of(guardrails: &'g [GuardrailFile], service: Option<&str>, today: Date) -> Self {
        let each =
            guardrails.iter().map(|file| (&file.meaning, Grants::of(&file.meaning, service)));
        Self { guardrails: each.collect(), today }
    }

    /// What every guardrail says of everything that a change gains for a listener. None of it
    /// passes for free, only by a grant or by nobody: what needs no grant was still not granted.
    #[must_use]
    pub fn leaves(&self, change: &Change, listener: &Listener) -> Vec<Leave<'g>> {
        let mut leaves = Vec::new();
        for (at, (guardrail, grants)) in self.guardrails.iter().enumerate() {
            for part in &change.gained {
                for (flow, is_free) in flows(part, listener, guardrail) {
                    let granted = grants.granting(listener, &flow, self.today);
                    let pass = match granted {
                        Some(id) => Pass::Granted(id),
                        None if is_free => Pass::Free,
                        None => Pass::Refused(grants.nearest(listener, &flow)),
                    };
                    leaves.push(Leave { guardrail: at, flow, pass });
                }
            }
        }
        leaves
    }
}

/// The flows of a part in the eyes of a guardrail, with whether they need no grant.
fn flows(part: &Part, listener: &Listener, guardrail: &Guardrail) -> Vec<(Flow, bool)> {
    let mut flows = Vec::new();
    for (local, by_port) in part.flows.iter() {
        for (scope, is_free) in scopes(local, guardrail) {
            let upstream = || upstream(listener);
            let Some(family) = local.family() else {
                flows.push((Flow { scope, upstream: upstream(), net: None }, is_free));
                continue;
            };
            for (ports, clients) in by_port.iter() {
                // A box bounds who is served. Whoever is turned away at an address that is granted
                // gets no more than what comes with listening there.
                let clients = match part.level {
                    Level::Served => clients.clone(),
                    Level::Visible | Level::Accepted => Arc::default(),
                };
                let clients = AddressSet::clone(&clients);
                let net = Some(Net { family, ports, clients });
                flows.push((Flow { scope, upstream: upstream(), net }, is_free));
            }
        }
    }
    flows
}

/// What a local end may count as, with whether that needs no grant.
fn scopes(local: &Local, guardrail: &Guardrail) -> Vec<(Scope, bool)> {
    let alone = |scope: Scope| vec![(scope, scope.is_in(&guardrail.may_expose))];
    let among = |addresses: AddressSet, class: Class| guardrail.split(&addresses, class);
    match local {
        Local::Path(_) => alone(Scope::Unix),
        Local::Every(_) => alone(Scope::Any),
        Local::One { address, .. } => {
            among(AddressSet::of_blocks([(*address).into()]), local.class())
        }
        Local::InBlock { class, block } => {
            let block = AddressSet::of_blocks([*block]);
            among(block.intersection(class::addresses_of(*class)), *class)
        }
        Local::On { class, family, .. } => {
            let all = AddressSet::all_of(*family == Family::V4);
            among(class::addresses_of(*class).intersection(&all), *class)
        }
    }
}
