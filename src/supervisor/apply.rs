//! The transaction: from what is open to a plan, or nothing.

use std::{io, sync::Arc};

use tracing::{error, info, warn};

use super::{Event, Failure, Supervisor, sockets::Done};
use crate::{
    plan::{Plan, Unbound, build},
    policy::Policy,
    runtime::{
        Commit,
        bind::BindError,
        status::{StatusLine, StatusView},
    },
    telemetry::{Generation, access},
};

/// Why a plan is not in force.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Sockets could not be had.
    Unbound(Vec<BindError>),
    /// The access log could not be opened.
    AccessLog(io::Error),
    /// Workers could not be started.
    Workers(io::Error),
}

impl Supervisor<'_> {
    /// Makes a plan come true.
    ///
    /// # Errors
    /// When something could not be had; what runs has not been touched then.
    pub(super) async fn apply(&mut self, policy: Policy, plan: Plan) -> Result<(), Refusal> {
        let new_log = self.open_access_log(&policy).map_err(Refusal::AccessLog)?;
        let workers = build::workers(&policy, self.facts.cores);
        self.workers.grow(workers.into()).map_err(Refusal::Workers)?;
        let delta = self.sockets.delta(&plan);
        let prepared = self.sockets.prepare(delta).map_err(Refusal::Unbound)?;
        let done = self.sockets.commit(prepared, &plan, now()).map_err(Refusal::Unbound)?;
        self.generation = Generation(self.generation.0 + 1);
        self.registry = self.registry.next(&policy, self.generation);
        tell(&plan, &self.plan);
        self.policy = policy;
        self.plan = plan;
        self.misfit.clear();
        let old_log = match new_log {
            Some(log) => std::mem::replace(&mut self.access_log, log),
            None => None,
        };
        self.hand_over(&done).await;
        // The workers write to the new one by now.
        drop(old_log);
        info!(
            generation = %self.generation,
            opened = done.opened.len(),
            kept = done.kept,
            closed = done.closed.len(),
            "configuration in force"
        );
        for (listener, socket) in &done.opened {
            (self.announce)(&Event::Ready { listener, address: socket.address() });
        }
        Ok(())
    }

    /// Has the workers take over the sockets and the registry as they are now.
    pub(super) async fn hand_over(&mut self, done: &Done) {
        let commit = Commit {
            registry: self.registry.clone(),
            assignments: self.sockets.assignments(&self.facts),
            workers: usize::from(build::workers(&self.policy, self.facts.cores).get()),
            access_log: self.access_log.as_ref().map(access::Writer::log),
        };
        self.show(false);
        if let Err(error) = self.workers.commit(commit).await {
            error!(%error, "restart the program; this worker's sessions are gone");
        }
        for socket in &done.closed {
            info!(address = %socket.address(), "no longer listening");
        }
    }

    /// Makes the status page show what is.
    pub(super) fn show(&self, draining: bool) {
        let mut addresses = self.sockets.addresses();
        let listeners = self.registry.listeners.iter().map(|(listener, state)| StatusLine {
            listener: listener.clone(),
            addresses: addresses.remove(listener).unwrap_or_default(),
            gate: Arc::clone(&state.gate),
        });
        self.status.send_replace(Arc::new(StatusView {
            service: self.policy.service.clone(),
            generation: self.generation,
            started: self.started,
            draining,
            tallies: Arc::clone(self.workers.tallies()),
            listeners: listeners.collect(),
        }));
    }

    /// What a refused start exits with; the details are announced.
    pub(super) fn failure(&mut self, refusal: Refusal) -> Failure {
        match refusal {
            Refusal::Unbound(errors) => {
                (self.announce)(&Event::Unbound(&errors));
                Failure::Unbound
            }
            Refusal::AccessLog(source) => Failure::SetUp { act: "open the access log", source },
            Refusal::Workers(source) => Failure::SetUp { act: "start workers", source },
        }
    }

    /// `Some` when the log is to change, whatever to.
    fn open_access_log(&self, policy: &Policy) -> io::Result<Option<Option<access::Writer>>> {
        if policy.runtime.access_log == self.policy.runtime.access_log {
            return Ok(None);
        }
        policy.runtime.access_log.as_ref().map(access::Writer::start).transpose().map(Some)
    }
}

/// Says what the plan leaves unbound, unless it was said before.
fn tell(plan: &Plan, before: &Plan) {
    let new = |unbound: &&Unbound, old: &[Unbound]| !old.contains(unbound);
    for unbound in plan.parked.iter().filter(|unbound| new(unbound, &before.parked)) {
        warn!(listener = %unbound.listener, reason = %unbound.reason, "waiting to be bound");
    }
    for unbound in plan.omitted.iter().filter(|unbound| new(unbound, &before.omitted)) {
        info!(listener = %unbound.listener, reason = %unbound.reason, "left out");
    }
}

#[expect(clippy::disallowed_methods, reason = "here time comes in")]
pub(super) fn now() -> std::time::Instant {
    std::time::Instant::now()
}
