//! Policies for tests, from as little as they need to say.

use std::{collections::BTreeMap, num::NonZeroU16, sync::Arc, time::Duration};

use tokio::task::LocalSet;

use crate::{
    policy::{
        Action, Admin, Backend, BackendAddress, Expose, Fanout, Limits, Listener, ListenerId,
        Policy, Runtime, Timeouts, Upstream, UpstreamId,
    },
    runtime::registry::{ListenerState, Registry},
    telemetry::Generation,
};

/// A listener without limits that forwards to `db`.
pub(super) fn listener(name: &str) -> Listener {
    Listener {
        id: ListenerId::new(name),
        purpose: None,
        expose: Expose::Ip(Vec::new()),
        inherited: None,
        ports: Vec::new(),
        clients: None,
        limits: Limits::default(),
        timeouts: Timeouts { idle: None, half_closed: None, lifetime: None },
        fanout: Fanout::None,
        allow: None,
        action: Action::Forward(UpstreamId::new("db")),
    }
}

/// A listener that answers by itself, under a first configuration.
pub(super) fn state(mut listener: Listener) -> Arc<ListenerState> {
    listener.action = Action::Status;
    let id = listener.id.clone();
    let registry = Registry::default().next(&policy([listener], []), Generation(1));
    Arc::clone(&registry.listeners[&id])
}

/// A group of equal backends, each `address:port` or a path.
pub(super) fn upstream(name: &str, backends: &[&str]) -> Upstream {
    Upstream {
        id: UpstreamId::new(name),
        backends: backends.iter().map(|address| backend(address)).collect(),
        connect_timeout: Duration::from_secs(5),
        retries: 2,
    }
}

/// A backend of weight one.
pub(super) fn backend(address: &str) -> Backend {
    let address = match address.parse() {
        Ok(address) => BackendAddress::Ip(address),
        Err(_) => BackendAddress::Unix(address.into()),
    };
    Backend { address, weight: NonZeroU16::MIN, backup: false, max_connections: None }
}

/// A policy of these.
pub(super) fn policy(
    listeners: impl IntoIterator<Item = Listener>,
    upstreams: impl IntoIterator<Item = Upstream>,
) -> Policy {
    Policy {
        service: None,
        owner: None,
        upstreams: upstreams
            .into_iter()
            .map(|upstream| (upstream.id.clone(), Arc::new(upstream)))
            .collect::<BTreeMap<_, _>>(),
        listeners: listeners
            .into_iter()
            .map(|listener| (listener.id.clone(), Arc::new(listener)))
            .collect::<BTreeMap<_, _>>(),
        runtime: Runtime {
            account: None,
            workers: None,
            drain: Duration::from_secs(30),
            wait_for_absent: false,
            access_log: None,
            admin: Admin::Private,
        },
    }
}

/// Runs a future as a worker would.
pub(super) fn test_runtime<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, future)
}
