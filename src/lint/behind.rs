//! What stands behind the listeners: every backend once, with the place where it is written.

use std::{collections::BTreeMap, net::IpAddr};

use super::{Context, Finding, Report, wrote};
use crate::{
    exposure::sensitive::{self, Service},
    policy::{Action, BackendAddress, Listener, ListenerId, PortRange, Upstream, UpstreamId},
    source::Span,
};

/// A backend in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Behind<'a> {
    /// Where it is.
    pub(super) address: &'a BackendAddress,
    /// Where that is written.
    span: Span,
    /// The listener that forwards to it, where it is written there.
    listener: Option<&'a ListenerId>,
}

impl Behind<'_> {
    /// Its address, unless it is a path.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        match self.address {
            BackendAddress::Ip(address) => Some(address.ip()),
            BackendAddress::SamePort(address) => Some(*address),
            BackendAddress::Unix(_) => None,
        }
    }

    /// Starts a finding about it.
    pub(super) fn report<'r>(&self, report: &'r mut Report<'_>, message: String) -> Finding<'r> {
        match self.listener {
            Some(listener) => report.at(listener, self.span, message),
            None => report.of_file(self.span, message),
        }
    }
}

/// Every backend, those of named groups first.
pub(super) fn all<'a>(cx: &Context<'a>) -> Vec<Behind<'a>> {
    let mut all = Vec::new();
    for upstream in cx.policy.upstreams.values() {
        for (at, backend) in upstream.backends.iter().enumerate() {
            if let Some(span) = wrote::backend(cx.config, &upstream.id, at) {
                all.push(Behind { address: &backend.address, span, listener: None });
            }
        }
    }
    // A group without a name stands at the listener that forwards to it.
    for listener in cx.policy.listeners.values() {
        let Action::Forward(id) = &listener.action else { continue };
        let Some(upstream) = cx.policy.upstreams.get(id) else { continue };
        if wrote::backend(cx.config, id, 0).is_some() {
            continue;
        }
        let span = cx.wrote(&listener.id).forward();
        for backend in &upstream.backends {
            all.push(Behind { address: &backend.address, span, listener: Some(&listener.id) });
        }
    }
    all
}

/// The sensitive services of every group of backends, each with its first backend there: worked out
/// once for a group, however many listeners forward to it.
#[derive(Debug)]
pub(super) struct Services<'a>(BTreeMap<&'a UpstreamId, Vec<(&'static Service, usize)>>);

impl<'a> Services<'a> {
    pub(super) fn of(cx: &Context<'a>) -> Self {
        Self(cx.policy.upstreams.iter().map(|(id, group)| (id, of_group(group))).collect())
    }

    /// Those behind one listener, with the backend's index; a backend without a port has the
    /// listener's.
    pub(super) fn behind(
        &self,
        cx: &Context<'_>,
        listener: &Listener,
    ) -> Vec<(&'static Service, usize)> {
        let Action::Forward(id) = &listener.action else { return Vec::new() };
        let mut found = self.0.get(id).cloned().unwrap_or_default();
        let group = cx.policy.upstreams.get(id);
        let same_port = group.and_then(|group| {
            let is_same = |address: &BackendAddress| matches!(address, BackendAddress::SamePort(_));
            group.backends.iter().position(|backend| is_same(&backend.address))
        });
        if let Some(at) = same_port {
            let services = sensitive::on_ports(&listener.ports).map(|(service, _)| (service, at));
            found.extend(services);
        }
        only_first(&mut found);
        found
    }
}

fn of_group(group: &Upstream) -> Vec<(&'static Service, usize)> {
    let mut found = Vec::new();
    for (at, backend) in group.backends.iter().enumerate() {
        match &backend.address {
            BackendAddress::Ip(address) => {
                let ports = [PortRange { first: address.port(), last: address.port() }];
                found.extend(sensitive::on_ports(&ports).map(|(service, _)| (service, at)));
            }
            BackendAddress::Unix(path) => {
                found.extend(sensitive::on_socket(path).map(|service| (service, at)));
            }
            BackendAddress::SamePort(_) => {}
        }
    }
    only_first(&mut found);
    found
}

/// Keeps the first backend of every service.
fn only_first(found: &mut Vec<(&'static Service, usize)>) {
    found.sort_by_key(|(service, at)| (service.name, *at));
    found.dedup_by_key(|(service, _)| service.name);
}
