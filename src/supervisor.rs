//! The life of the process: start, follow the file, drain, stop.
//!
//! One task does one thing after the other, so two reloads can never meet. Start, reload and stop
//! are the same transaction from what is open to a plan; what fails before its commit has touched
//! nothing.

pub mod admin;
mod apply;
pub mod binder;
mod burst;
pub mod changes;
mod confine;
mod follow;
pub mod guardrails;
mod host;
mod load;
mod lock;
mod place;
mod program;
mod rejection;
mod sockets;
mod start;
mod stop;
mod systemd;
pub mod upgrade;
mod watch;

use std::{io, path::PathBuf, sync::Arc};

use tokio::{
    sync::{mpsc, watch as latest},
    time::Instant,
};
use tracing::warn;

use crate::{
    address::Date,
    compile::{Compiled, Given, compile_bytes},
    diagnostic::Diagnostic,
    facts::Facts,
    plan::{BindAddress, Conflict, Plan},
    policy::{ListenerId, Policy, governance::GuardrailFile},
    runtime::{Incident, Registry, Workers, bind::BindError, status::StatusView},
    source::Source,
    sys::{self, process::NoAccount},
    telemetry::{Generation, access},
};

pub use self::{lock::Holder, place::admin_sockets, program::Program};

use self::{
    admin::{Question, protocol::Rejection},
    apply::Admin,
    confine::Service,
    load::Content,
    lock::InstanceLock,
    sockets::Sockets,
    systemd::Systemd,
    upgrade::{Giving, Predecessors, TakeError, TakeOver},
};

/// Descriptors without which nothing is begun. A start needs about twenty, and the event loop
/// panics where it finds none for the signals.
const FEWEST_DESCRIPTORS: u64 = 32;

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The service file.
    pub file: PathBuf,
    /// Guardrail files, besides those of the system.
    pub guardrails: Vec<PathBuf>,
    /// Whether port 0 may be asked for.
    pub allow_port_zero: bool,
    /// A running process whose sockets are taken over.
    pub take_over: Option<TakeOver>,
    /// How this program is started again for an upgrade.
    pub program: Program,
}

/// What the world is told, in order.
#[derive(Debug)]
pub enum Event<'a> {
    /// A socket listens.
    Ready {
        /// For whom.
        listener: &'a ListenerId,
        /// Where, really.
        address: &'a BindAddress,
    },
    /// All listeners serve.
    Serving(Generation),
    /// A changed file is in force. The generation stays when its meaning did not change.
    Reloaded(Generation),
    /// A changed file is not in force.
    Rejected {
        /// The generation that stays.
        generation: Generation,
        /// How many things are wrong with it.
        findings: usize,
    },
    /// What the rules say of a file.
    Findings {
        /// The file.
        source: &'a Source,
        /// What they say.
        findings: &'a [Diagnostic],
    },
    /// Sockets could not be had.
    Unbound(&'a [BindError]),
}

/// Where events go.
pub type Announce<'a> = dyn FnMut(&Event<'_>) + 'a;

/// Why a start failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The file could not be read.
    #[error("cannot read `{}`", path.display().to_string().escape_debug())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A guardrail could not be read.
    #[error(transparent)]
    Ungoverned(#[from] guardrails::Unread),
    /// The file has findings that refuse it; they have been announced.
    #[error("the file is refused")]
    Refused,
    /// Sockets could not be had; the errors have been announced.
    #[error("not every socket could be had, so none is served")]
    Unbound,
    /// Another copy runs the same file.
    #[error("{}", held(.0.as_ref()))]
    Held(Option<Holder>),
    /// The running process has not handed over; it goes on.
    #[error("nothing is taken over")]
    TakeOver(#[from] TakeError),
    /// Nobody of this name can serve.
    #[error("cannot serve as whom `runtime.user` and `runtime.group` name")]
    NoAccount(#[from] NoAccount),
    /// The limit on open descriptors is too low, and is not to be raised.
    #[error(
        "this process may open {0} files (`ulimit -n`), which is less than {FEWEST_DESCRIPTORS}"
    )]
    TooFewDescriptors(u64),
    /// The process could not be set up.
    #[error("cannot {act}")]
    SetUp {
        /// What was tried.
        act: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// Runs a file until a signal ends it.
///
/// # Errors
/// When the start fails. Afterwards nothing is fatal but a signal.
pub fn run(options: &Options, announce: &mut Announce<'_>) -> Result<(), Failure> {
    // A process that took over from another was started by one that leaves signals alone.
    sys::process::heed_every_signal().map_err(set_up("heed signals"))?;
    sys::process::keep_descriptors();
    // The event loop may have threads.
    let provided = sys::systemd::take().map_err(set_up("take what the service manager gives"))?;
    let limit = sys::process::raise_descriptor_limit();
    let limit = limit.map_err(set_up("raise the limit of descriptors"))?;
    if limit < FEWEST_DESCRIPTORS {
        return Err(Failure::TooFewDescriptors(limit));
    }
    let service = Service::enter(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(set_up("start an event loop"))?;
    runtime.block_on(async {
        // Signals count from here on: one that comes during the start is answered after it.
        let signals = follow::Signals::new().map_err(set_up("listen for signals"))?;
        // And so does a change of the file, or of the host, after it has been read.
        let host = host::HostWatch::new();
        // Watching the file takes a thread, which is to be confined as well.
        service.close_in();
        let watch = watch::Watch::new(&options.file, &options.guardrails);
        let watch = watch.map_err(set_up("find the file"))?;
        let (supervisor, following) =
            Supervisor::start(options, service, provided, announce).await?;
        supervisor.follow(signals, watch, host, following).await;
        Ok(())
    })
}

fn held(holder: Option<&Holder>) -> String {
    holder.map_or_else(
        || "another process runs this file, and has only just begun".to_owned(),
        |Holder { pid, since }| format!("process {pid} runs this file since {since}"),
    )
}

fn set_up(act: &'static str) -> impl FnOnce(io::Error) -> Failure {
    move |source| Failure::SetUp { act, source }
}

/// Everything that runs.
struct Supervisor<'a> {
    options: &'a Options,
    announce: &'a mut Announce<'a>,
    started: Instant,
    facts: Facts,
    policy: Policy,
    plan: Plan,
    /// Why the host does not fit the file any more, as far as it was said.
    misfit: Vec<Conflict>,
    generation: Generation,
    sockets: Sockets,
    registry: Registry,
    workers: Workers,
    access_log: Option<access::Writer>,
    status: latest::Sender<Arc<StatusView>>,
    incidents: mpsc::Receiver<Incident>,
    service: Service,
    lock: Option<InstanceLock>,
    admin: Option<Admin>,
    /// Where an admin socket puts its questions.
    ask: mpsc::Sender<Question>,
    questions: mpsc::Receiver<Question>,
    /// Why the host as it is now was not followed, as far as it was said.
    unfollowed: String,
    /// Why the file as it is now is not in force.
    rejected: Option<Rejection>,
    /// The hand-over that is under way.
    giving: Option<Giving>,
    predecessors: Predecessors,
    systemd: Systemd,
}

/// A file that may run.
struct Accepted {
    facts: Facts,
    policy: Policy,
    plan: Plan,
}

/// What the rules say of a content on this host.
struct Judgement {
    source: Source,
    findings: Vec<Diagnostic>,
    /// The guardrails that it was held against, and what there is to say of each.
    guardrails: Vec<(GuardrailFile, Vec<Diagnostic>)>,
    /// Present unless a finding refuses the file.
    accepted: Option<Accepted>,
}

impl Judgement {
    fn of(
        options: &Options,
        content: &Content,
        facts: Facts,
        guardrails: Vec<GuardrailFile>,
        running: Option<&Policy>,
    ) -> Self {
        let shown = options.file.display().to_string();
        let given = Given {
            facts: Some(&facts),
            guardrails: &guardrails,
            running,
            today: today(),
            allow_port_zero: options.allow_port_zero,
        };
        let (source, compiled) = compile_bytes(&shown, &content.bytes, &given);
        let Compiled { findings, of_guardrails, policy, plan, .. } = compiled;
        let accepted = policy.zip(plan).map(|(policy, plan)| Accepted { facts, policy, plan });
        let guardrails = guardrails.into_iter().zip(of_guardrails).collect();
        Self { source, findings, guardrails, accepted }
    }

    fn say(&self, announce: &mut Announce<'_>) {
        if !self.findings.is_empty() {
            announce(&Event::Findings { source: &self.source, findings: &self.findings });
        }
        for (file, findings) in self.guardrails.iter().filter(|(_, found)| !found.is_empty()) {
            announce(&Event::Findings { source: &file.source, findings });
        }
    }

    /// How many findings refuse the file.
    fn refusals(&self) -> usize {
        let of_guardrails = self.guardrails.iter().flat_map(|(_, findings)| findings);
        self.findings.iter().chain(of_guardrails).filter(|one| one.level.refuses()).count()
    }
}

/// Today, UTC.
#[expect(clippy::disallowed_methods, reason = "here time comes in")]
pub(crate) fn today() -> Date {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_else(|error| {
        warn!(%error, "the clock is before 1970");
        std::time::Duration::ZERO
    });
    Date::of_unix(since.as_secs())
}
