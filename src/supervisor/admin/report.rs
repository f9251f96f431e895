//! What the supervisor tells of itself.

use std::time::SystemTime;

use super::protocol::{Draining, Finding, Listener, Report, State, Unbound};
use crate::{
    diagnostic::Diagnostic,
    plan,
    runtime::bind::BindError,
    source::Source,
    supervisor::{Judgement, Supervisor},
    telemetry::{Counter, access::timestamp},
};

impl Supervisor<'_> {
    /// Everything there is to say.
    pub(in crate::supervisor) fn report(&self, state: State) -> Report {
        let listeners = self.registry.listeners.iter().map(|(name, state)| Listener {
            name: name.to_string(),
            sessions: state.gate.sessions().into(),
            admitted: state.gate.tallies().read(Counter::SessionsAdmitted),
        });
        let unbound = |of: &[plan::Unbound]| {
            let one = |one: &plan::Unbound| Unbound {
                listener: one.listener.to_string(),
                reason: one.reason.clone(),
            };
            of.iter().map(one).collect()
        };
        Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            user: self.service.user(),
            binder: self.service.binder.pid(),
            uptime_seconds: self.started.elapsed().as_secs(),
            state,
            service: self.policy.service.clone(),
            file: self.options.file.clone(),
            generation: self.generation.0,
            sessions: self.workers.sessions(),
            listeners: listeners.collect(),
            sockets: self.sockets.report(self.facts.max_backlog),
            pending: unbound(&self.plan.parked),
            omitted: unbound(&self.plan.omitted),
            rejected: self.rejected.clone(),
            draining: self.predecessors.report(),
        }
    }

    /// What is left once no more clients are taken.
    pub(in crate::supervisor) fn draining(&self) -> Draining {
        let within = self.policy.runtime.drain.as_millis();
        Draining {
            sessions: self.workers.sessions(),
            within_ms: u64::try_from(within).unwrap_or(u64::MAX),
        }
    }
}

/// The time, as people and programs read it.
#[expect(clippy::disallowed_methods, reason = "here time comes in")]
pub(in crate::supervisor) fn now() -> String {
    timestamp(SystemTime::now())
}

impl Judgement {
    /// What the rules say, for those who cannot see the terminal.
    pub(in crate::supervisor) fn findings(&self) -> Vec<Finding> {
        let own = self.findings.iter().map(|finding| of_rule(&self.source, finding));
        let of_guardrails = self.guardrails.iter().flat_map(|(file, findings)| {
            findings.iter().map(|finding| of_rule(&file.source, finding))
        });
        own.chain(of_guardrails).collect()
    }
}

impl Finding {
    /// An error that is not about the text of the file.
    pub(in crate::supervisor) fn error(message: impl Into<String>) -> Self {
        Self { level: "error".to_owned(), message: message.into(), ..Self::default() }
    }

    /// A socket that could not be had.
    pub(in crate::supervisor) fn unbound(error: &BindError) -> Self {
        let message = format!("{error}: {}", error.source);
        Self { notes: error.why(), help: error.help(), ..Self::error(message) }
    }
}

fn of_rule(source: &Source, finding: &Diagnostic) -> Finding {
    let at = source.position(finding.primary.span.range().start);
    Finding {
        level: finding.level.word().to_owned(),
        code: Some(finding.code.to_string()),
        message: finding.message.clone(),
        place: Some(format!("{}:{}:{}", source.path(), at.line, at.column)),
        notes: finding.notes.clone(),
        help: finding.help.clone(),
    }
}
