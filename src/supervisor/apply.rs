//! The transaction: from what is open to a plan, or nothing.

use std::{io, sync::Arc};

use tracing::{error, info, warn};

use super::{
    Event, Failure, Supervisor,
    admin::{self, AdminError, AdminSocket},
    binder::{
        BinderError, Opened,
        message::{Beside, Wanted},
    },
    place,
    sockets::Done,
};
use crate::{
    plan::{Plan, Unbound, build},
    policy::{self, Policy, UnixSocket},
    runtime::{
        Commit, Registry,
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
    /// The process that binds does not.
    Binder(BinderError),
    /// The access log could not be opened.
    AccessLog(io::Error),
    /// Workers could not be started.
    Workers(io::Error),
}

impl From<BinderError> for Refusal {
    fn from(error: BinderError) -> Self {
        match error {
            BinderError::Unbound(errors) => Self::Unbound(errors),
            error => Self::Binder(error),
        }
    }
}

/// The admin socket that is there, and what it was asked to be.
#[derive(Debug)]
pub(super) struct Admin {
    wanted: UnixSocket,
    pub(super) socket: AdminSocket,
}

/// An admin socket that is to change, and is bound by now unless there is to be none.
#[derive(Debug)]
pub(super) struct NewAdmin(Option<(UnixSocket, Opened)>);

/// A plan whose sockets listen, and which nobody serves yet.
#[derive(Debug)]
pub(super) struct Committed {
    done: Done,
    old_log: Option<access::Writer>,
}

impl Supervisor<'_> {
    /// Makes the admin socket that a policy wants; `None` if it is there. It does not listen yet.
    ///
    /// # Errors
    /// When one that the file names cannot be had. One of our own choice is not worth that.
    pub(super) fn prepare_admin(
        &self,
        policy: &Policy,
        beside: Beside,
    ) -> Result<Option<NewAdmin>, Refusal> {
        let wanted = place::admin_socket(&policy.runtime.admin, self.service.place.as_ref());
        let there = self.admin.as_ref().map(|admin| &admin.wanted);
        if wanted.as_ref() == there {
            return Ok(None);
        }
        let Some(wanted) = wanted else { return Ok(Some(NewAdmin(None))) };
        let own = there.is_some_and(|there| there.path == wanted.path);
        let beside = if own { Beside::Own } else { beside };
        let key = admin::bind(&wanted).key;
        let opened = self.service.binder.open(&[(Wanted { key, beside }, None)])?.pop();
        match opened.ok_or(BinderError::Unexpected)? {
            Ok(opened) => Ok(Some(NewAdmin(Some((wanted, opened))))),
            Err(error) if policy.runtime.admin == policy::Admin::Private => {
                warn!(%error, why = %error.source, "no admin socket");
                Ok(Some(NewAdmin(None)))
            }
            Err(error) => Err(Refusal::Unbound(vec![error])),
        }
    }

    /// Puts the new admin socket in the place of the old one.
    pub(super) async fn place_admin(&mut self, new: Option<NewAdmin>) {
        let Some(NewAdmin(new)) = new else { return };
        let served = new.map(|(wanted, opened)| {
            let binder = self.service.binder.clone();
            let socket = AdminSocket::serve(opened, binder, wanted.mode, self.ask.clone())?;
            Ok::<_, AdminError>(Admin { wanted, socket })
        });
        let old = match served.transpose() {
            Ok(admin) => std::mem::replace(&mut self.admin, admin),
            Err(error) => return error!(%error, "the admin socket stays as it was"),
        };
        if let Some(old) = old {
            old.socket.close();
        }
    }

    /// Makes a plan come true.
    ///
    /// # Errors
    /// When something could not be had; what runs has not been touched then.
    pub(super) async fn apply(&mut self, policy: Policy, plan: Plan) -> Result<(), Refusal> {
        let committed = self.commit(policy, plan)?;
        self.serve(committed).await;
        Ok(())
    }

    /// Has everything that a plan wants listen. Nobody new is served before [`Supervisor::serve`].
    ///
    /// # Errors
    /// When something could not be had; what runs has not been touched then.
    pub(super) fn commit(&mut self, policy: Policy, plan: Plan) -> Result<Committed, Refusal> {
        let new_log = self.open_access_log(&policy).map_err(Refusal::AccessLog)?;
        let workers = build::workers(&policy, self.facts.cores);
        self.workers.grow(workers.into()).map_err(Refusal::Workers)?;
        self.sockets.follow_names(&self.facts);
        let delta = self.sockets.delta(&plan);
        let prepared = self.sockets.prepare(delta)?;
        let done = self.sockets.commit(prepared, &plan, now())?;
        self.service.binder.commit();
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
        Ok(Committed { done, old_log })
    }

    /// Has the workers serve what was committed.
    pub(super) async fn serve(&mut self, Committed { done, old_log }: Committed) {
        self.hand_over(&done).await;
        self.systemd.keep(&self.sockets.to_keep());
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
    }

    /// Ends every listener: the workers serve nobody new, and what they serve gets `drain`.
    pub(super) async fn retire(&mut self, done: &Done) {
        self.registry =
            Registry { generation: Generation(self.generation.0 + 1), ..Registry::default() };
        self.hand_over(done).await;
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
        let unbound = |word, list: &[Unbound]| -> Vec<_> {
            let said = |unbound: &Unbound| {
                (unbound.listener.clone(), format!("{word}: {}", unbound.reason))
            };
            list.iter().map(said).collect()
        };
        let misfit = self.misfit.iter().map(|conflict| {
            (conflict.listener.clone(), format!("the host has changed: {}", conflict.cause))
        });
        let waiting = unbound("waiting", &self.plan.parked);
        let omitted = unbound("left out", &self.plan.omitted);
        for (listener, note) in waiting.into_iter().chain(omitted).chain(misfit) {
            addresses.entry(listener).or_default().push(note);
        }
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
            Refusal::Binder(error) => {
                Failure::SetUp { act: "have sockets bound", source: io::Error::other(error) }
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
        let Some(log) = &policy.runtime.access_log else { return Ok(Some(None)) };
        access::Writer::start(log).map(|writer| Some(Some(writer))).map_err(|error| {
            match &log.path {
                Some(path) => self.service.unwritable(path, error),
                None => error,
            }
        })
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
