//! The start: the file is read and judged, what was there before is taken over, everything is bound
//! at once, and then it serves.

use std::sync::Arc;

use tokio::{
    sync::{mpsc, watch as latest},
    time::Instant,
};
use tracing::warn;

use super::{
    Accepted, Announce, Event, Failure, Judgement, Options, Supervisor,
    admin::QUESTIONS,
    apply::Refusal,
    binder::message::{Beside, Subject},
    confine::Service,
    follow::Following,
    guardrails, load,
    lock::{InstanceLock, NoLock},
    set_up,
    sockets::{Sockets, inherit::Inherited},
    systemd::Systemd,
    upgrade::{self, Predecessors, tell_serving, this_process},
};
use crate::{
    facts::{self, Facts},
    plan::{Plan, build},
    policy::Policy,
    runtime::{Registry, Workers, status::StatusView},
    sys::systemd::Provided,
    telemetry::Generation,
};

/// Dead sockets that may wait to be reported; one a listener and worker at the most.
const INCIDENTS: usize = 64;

impl<'a> Supervisor<'a> {
    pub(super) async fn start(
        options: &'a Options,
        service: Service,
        provided: Provided,
        announce: &'a mut Announce<'a>,
    ) -> Result<(Self, Following), Failure> {
        let content = load::once(&options.file)
            .map_err(|source| service.unreadable(source))
            .map_err(|source| Failure::Unreadable { path: options.file.clone(), source })?;
        let (mut systemd, passed) = Systemd::of(provided);
        let brought = systemd.recognise(passed);
        let facts = facts::live::read().map_err(set_up("read this host's addresses"))?;
        // What the process before has is not known yet.
        let passed = options.take_over.is_none().then(|| brought.facts());
        let facts = service.facts(Facts { passed, ..facts });
        let stamps = guardrails::stamps(&options.guardrails);
        let guardrails = guardrails::load_to_run(&options.guardrails)?;
        let following = Following::new(&content, &guardrails, stamps);
        let judgement = Judgement::of(options, &content, facts, guardrails, None);
        judgement.say(announce);
        let accepted = judgement.accepted.ok_or(Failure::Refused)?;
        let mut supervisor = Self::new(options, service, announce, &accepted)?;
        let Accepted { policy, plan, .. } = accepted;
        supervisor.inherit(brought.of(&policy), &plan)?;
        if let Err(failure) = supervisor.begin(policy, plan, systemd).await {
            // One that was to be taken over is the other's still.
            if let (Some(lock), None) = (supervisor.lock.take(), &options.take_over) {
                lock.release();
            }
            return Err(failure);
        }
        Ok((supervisor, following))
    }

    /// A process that has workers and serves nothing yet.
    fn new(
        options: &'a Options,
        service: Service,
        announce: &'a mut Announce<'a>,
        accepted: &Accepted,
    ) -> Result<Self, Failure> {
        let started = Instant::now();
        let (status, view) = latest::channel(Arc::new(StatusView {
            service: None,
            generation: Generation::default(),
            started,
            draining: false,
            tallies: Arc::default(),
            listeners: Vec::new(),
        }));
        let (sender, incidents) = mpsc::channel(INCIDENTS);
        let (ask, questions) = mpsc::channel(QUESTIONS);
        let count = build::workers(&accepted.policy, accepted.facts.cores);
        let workers =
            Workers::start(count.into(), view, sender).map_err(set_up("start workers"))?;
        Ok(Self {
            options,
            announce,
            started,
            facts: accepted.facts.clone(),
            policy: Policy::default(),
            plan: Plan::default(),
            misfit: Vec::new(),
            generation: Generation::default(),
            sockets: Sockets::new(service.binder.clone()),
            registry: Registry::default(),
            workers,
            access_log: None,
            status,
            incidents,
            service,
            lock: None,
            admin: None,
            ask,
            questions,
            unfollowed: String::new(),
            rejected: None,
            giving: None,
            predecessors: Predecessors::default(),
            systemd: Systemd::default(),
        })
    }

    /// Makes the plan come true, over the sockets of a process of before if there is one.
    ///
    /// The service manager hears nothing before it serves: until then nothing may have happened.
    async fn begin(
        &mut self,
        policy: Policy,
        plan: Plan,
        mut systemd: Systemd,
    ) -> Result<(), Failure> {
        let mut legacy = match &self.options.take_over {
            Some(from) => Some(upgrade::take(from).await?),
            None => None,
        };
        let handed = legacy.as_mut().and_then(|legacy| legacy.lock.take());
        self.lock = self.take_lock(handed)?;
        if let Some(legacy) = &mut legacy {
            self.generation = Generation(legacy.generation);
            self.inherit(std::mem::take(&mut legacy.sockets), &plan)?;
        }
        systemd.note_kept(&self.sockets.to_keep());
        let takes_over = legacy.is_some();
        // The socket of the process before is replaced, and nobody finds none in between.
        let beside = if legacy.is_some() { Beside::Own } else { Beside::Nothing };
        let granted = self.service.binder.judge(Subject::File).map_err(Refusal::from);
        granted.map_err(|refusal| self.failure(refusal))?;
        let admin = self.prepare_admin(&policy, beside);
        let admin = admin.map_err(|refusal| self.failure(refusal))?;
        let committed = self.commit(policy, plan).map_err(|refusal| self.failure(refusal))?;
        // Clients that this process took in before would be lost if it came to nothing after all.
        let predecessor = match legacy {
            Some(legacy) => self.succeed(legacy).await?,
            None => None,
        };
        self.serve(committed).await;
        self.place_admin(admin).await;
        if let Some(lock) = &self.lock
            && let Err(error) = lock.note(&this_process())
        {
            warn!(%error, "a second copy will not learn who runs");
        }
        (self.announce)(&Event::Serving(self.generation));
        self.systemd = systemd;
        let status = self.status_line();
        self.systemd.serving(takes_over, status);
        self.systemd.keep(&self.sockets.to_keep());
        // Now it may end: the service manager knows that it is not the main process any more.
        if let Some(predecessor) = predecessor {
            tell_serving(&predecessor);
        }
        Ok(())
    }

    fn inherit(&mut self, sockets: Vec<Inherited>, plan: &Plan) -> Result<(), Failure> {
        self.sockets.inherit(sockets, plan).map_err(|errors| {
            (self.announce)(&Event::Unbound(&errors));
            Failure::Unbound
        })
    }

    /// Makes sure that no other copy runs this file. A host that has no place for a lock is no
    /// reason not to serve: the kernel still keeps two from sharing a port unasked.
    fn take_lock(&self, handed: Option<std::fs::File>) -> Result<Option<InstanceLock>, Failure> {
        let Some(place) = &self.service.place else { return Ok(None) };
        let path = place.lock();
        if let Some(lock) = handed.and_then(|file| InstanceLock::inherit(file, &path)) {
            return Ok(Some(lock));
        }
        match InstanceLock::take(&path, &this_process()) {
            Ok(lock) => Ok(Some(lock)),
            Err(NoLock::Held(holder)) => Err(Failure::Held(holder)),
            Err(NoLock::Unusable(error)) => {
                warn!(%error, path = %path.display(), "no instance lock");
                Ok(None)
            }
        }
    }
}
