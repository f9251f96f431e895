//! Waits for whatever comes next: a change of the file, a signal, a socket that is to be closed.

use std::{io, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, sleep_until},
};
use tracing::{error, warn};

use super::{
    Event, Judgement, Supervisor,
    admin::{Question, protocol::Finding},
    apply::{Refusal, now},
    binder::message::{Beside, Subject},
    guardrails::{self, Stamps, Unread},
    host::HostWatch,
    load::{Content, Contents, Hash, Reader, Refusal as Doubt, Seen},
    upgrade::{Channel, GiveError, Giving},
    watch::Watch,
};
use crate::{
    plan::Plan,
    policy::{Policy, governance::GuardrailFile},
    runtime::Incident,
};

/// A content that was refused is looked at once more after this long: it may have been half
/// written.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// How often narrowed sockets are asked whether they are done.
const SETTLE: Duration = Duration::from_millis(100);

/// The signals that this process answers.
pub(super) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    child: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            child: signal(SignalKind::child())?,
        })
    }

    /// Resolves at the next signal.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Look,
            _ = self.child.recv() => Asked::Reap,
        }
    }
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// To look at the file (SIGHUP).
    Look,
    /// To stop (SIGTERM, SIGINT).
    Stop,
    /// To see what has become of the process that binds (SIGCHLD).
    Reap,
}

/// What is known of the file and of the guardrails over it.
pub(super) struct Following {
    reader: Reader,
    /// What was judged so far: contents under guardrails.
    contents: Contents,
    /// The content that runs, whatever guardrails there are.
    running: Hash,
    guardrails: Stamps,
    second_look: Option<Instant>,
    /// A signal asked for a look that has to wait.
    asked: bool,
}

impl Following {
    /// Follows a content that runs, under guardrails that looked so before they were read.
    pub(super) fn new(content: &Content, files: &[GuardrailFile], guardrails: Stamps) -> Self {
        let mut contents = Contents::default();
        contents.accepted(guardrails::identity(&content.hash, Ok(files)));
        let (reader, running) = (Reader::default(), content.hash);
        Self { reader, contents, running, guardrails, second_look: None, asked: false }
    }

    fn look_again(&mut self) {
        self.second_look = Some(Instant::now() + SECOND_LOOK);
    }

    /// Notes that what was judged is refused. Whether that is to be said: at first it may be half
    /// written, and is only looked at again.
    fn refuse(&mut self, judged: Judged) -> bool {
        match self.contents.refused(judged.hash, judged.asked) {
            Doubt::LookAgain => {
                self.look_again();
                false
            }
            Doubt::Say => true,
        }
    }
}

/// What is judged.
#[derive(Clone, Copy)]
struct Judged {
    /// The content under its guardrails.
    hash: Hash,
    /// Whether a person asked for it.
    asked: bool,
}

/// What came next.
enum Next {
    Look {
        asked: bool,
    },
    Settle,
    Host,
    Incident(Incident),
    Reap,
    Pulse,
    Question(Question),
    /// A hand-over has come to its end.
    Given(Result<Channel, GiveError>),
    Stop,
}

impl Supervisor<'_> {
    /// Serves until it is told to stop, and stops.
    pub(super) async fn follow(
        mut self,
        mut signals: Signals,
        mut watch: Watch,
        mut host: HostWatch,
        mut following: Following,
    ) {
        // A time, and not a wait that begins anew with each thing that happens: who asks often
        // would put it off for good.
        let mut settle = Instant::now();
        loop {
            // While another process takes the sockets over, they stay what they are.
            let alone = self.giving.is_none();
            let next = tokio::select! {
                asked = signals.next() => match asked {
                    Asked::Stop => Next::Stop,
                    Asked::Look => Next::Look { asked: true },
                    Asked::Reap => Next::Reap,
                },
                () = watch.time_to_look(), if alone => Next::Look { asked: false },
                () = due(following.second_look), if alone => Next::Look { asked: false },
                Some(incident) = self.incidents.recv() => Next::Incident(incident),
                () = sleep_until(settle), if alone && !self.sockets.is_settled() => Next::Settle,
                () = host.time_to_look(), if alone => Next::Host,
                () = self.systemd.pulse(&self.workers) => Next::Pulse,
                Some(question) = self.questions.recv() => Next::Question(question),
                result = over(&mut self.giving) => Next::Given(result),
            };
            match next {
                Next::Look { asked } if self.giving.is_some() => following.asked |= asked,
                Next::Look { asked } => self.look(&mut following, asked).await,
                Next::Reap => {
                    if self.service.binder.pid().is_none() {
                        error!(
                            "the process that binds has ended: what runs goes on, and nothing more can be bound until the program is started anew or another takes over (`run --takeover`)"
                        );
                    }
                }
                Next::Pulse => self.systemd.alive(),
                Next::Question(question) => {
                    if self.answer(question, &mut following).await == Some(Asked::Stop) {
                        return self.stop(signals).await;
                    }
                }
                Next::Given(result) => {
                    let Some(giving) = self.giving.take() else { continue };
                    if let Some(given) = self.given(giving, result).await {
                        return self.bow_out(signals, given).await;
                    }
                    if std::mem::take(&mut following.asked) {
                        self.look(&mut following, true).await;
                    }
                }
                Next::Settle => {
                    settle = Instant::now() + SETTLE;
                    let done = self.sockets.settle(now());
                    if !done.closed.is_empty() {
                        self.hand_over(&done).await;
                        self.systemd.keep(&self.sockets.to_keep());
                    }
                }
                Next::Host => {
                    let again = self.follow_host().await;
                    host.looked(again);
                }
                Next::Incident(incident) => {
                    let (socket, error) = (incident.socket.0, &incident.error);
                    error!(socket, %error, "a socket cannot accept any more");
                }
                Next::Stop => return self.stop(signals).await,
            }
            self.systemd.settled(self.status_line());
        }
    }

    /// Looks at the file, and takes over what is new. `asked` means that a person sent SIGHUP and
    /// gets an answer at once, whatever the file says.
    pub(super) async fn look(&mut self, following: &mut Following, asked: bool) {
        if asked {
            self.systemd.reloading();
            self.reopen_access_log();
        }
        // One that is not due yet stays: an event of a neighbouring file must not swallow it.
        let again = following.second_look.take_if(|due| *due <= Instant::now()).is_some();
        let governed = guardrails::stamps(&self.options.guardrails);
        let is_governed_anew = governed != following.guardrails;
        following.guardrails = governed;
        match following.reader.look(&self.options.file, asked || again || is_governed_anew) {
            Seen::Same => {}
            Seen::Unstable => {
                following.look_again();
                if asked {
                    self.note_rejection(vec![Finding::error("the file is being written")]);
                }
            }
            Seen::Missing(reason) => {
                if following.contents.missing(now()) || asked {
                    let file = self.options.file.display();
                    warn!(%file, %reason, "the file cannot be read; what runs stays");
                    let message = format!("the file cannot be read: {reason}");
                    self.note_rejection(vec![Finding::error(message)]);
                }
            }
            Seen::Content(content) => {
                if content.unlinked {
                    warn!(
                        "the file has no name any more; mount its directory rather than the file"
                    );
                }
                // They bind as they are now, not as they were when what runs was accepted.
                let guardrails = guardrails::load_to_run(&self.options.guardrails);
                let files = guardrails.as_deref();
                let judged = Judged { hash: guardrails::identity(&content.hash, files), asked };
                if following.contents.is_new(judged.hash, asked) {
                    self.take_over(following, &content, guardrails, judged).await;
                }
            }
        }
    }

    async fn take_over(
        &mut self,
        following: &mut Following,
        content: &Content,
        guardrails: Result<Vec<GuardrailFile>, Unread>,
        judged: Judged,
    ) {
        self.systemd.reloading();
        let facts = match self.read_facts() {
            Ok(facts) => facts,
            Err(error) => {
                // Nothing is known against the file, so it must not have to change once more.
                following.look_again();
                let message = format!("cannot read this host's addresses: {error}");
                self.note_rejection(vec![Finding::error(message)]);
                return error!(%error, "cannot read this host's addresses; what runs stays");
            }
        };
        let guardrails = match guardrails {
            Ok(guardrails) => guardrails,
            Err(error) => {
                if following.refuse(judged) {
                    let why = &error.source;
                    error!(%error, %why, "what runs stays");
                    self.reject(vec![Finding::error(format!("{error}: {why}"))]);
                }
                return;
            }
        };
        let mut judgement =
            Judgement::of(self.options, content, facts, guardrails, Some(&self.policy));
        let Some(accepted) = judgement.accepted.take() else {
            if following.refuse(judged) {
                judgement.say(self.announce);
                if content.hash == following.running {
                    // A guardrail refuses a change or a start; it closes nothing that serves.
                    warn!("the guardrails do not allow what runs; it stays until its next start");
                }
                self.note_rejection(judgement.findings());
                self.tell_rejection(judgement.refusals());
            }
            return;
        };
        judgement.say(self.announce);
        if accepted.policy.runtime.account != self.policy.runtime.account {
            warn!("`user` and `group` stay what they are until the next start or upgrade");
        }
        self.facts = accepted.facts;
        let changed = accepted.policy != self.policy || accepted.plan != self.plan;
        if changed && let Err(refusal) = self.change(accepted.policy, accepted.plan).await {
            // No half-written file does this, so there is nothing to wait for.
            following.contents.refused(judged.hash, true);
            let findings = self.tell_refusal(&refusal);
            return self.reject(findings);
        }
        following.contents.accepted(judged.hash);
        following.running = content.hash;
        self.rejected = None;
        (self.announce)(&Event::Reloaded(self.generation));
    }

    /// Makes another file come true, with its admin socket.
    async fn change(&mut self, policy: Policy, plan: Plan) -> Result<(), Refusal> {
        self.service.binder.judge(Subject::File)?;
        let admin = self.prepare_admin(&policy, Beside::Nothing)?;
        self.apply(policy, plan).await?;
        self.place_admin(admin).await;
        Ok(())
    }

    pub(super) fn reopen_access_log(&self) {
        if let Some(log) = &self.access_log {
            log.reopen();
        }
    }
}

/// Resolves when the hand-over is over; without one, never.
async fn over(giving: &mut Option<Giving>) -> Result<Channel, GiveError> {
    match giving {
        Some(giving) => giving.over().await,
        None => std::future::pending().await,
    }
}

/// Resolves at this time, or never.
async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
