//! What a change of the file makes reachable, from where, and to which backend.
//!
//! Two files are compared as sets of flows, never as text: first by who reaches each backend, then
//! by who sees a listener, then by what the kernel takes. No host is asked: a symbol is equal to
//! itself, and what depends on the host is unknown, which does not count as safe.

pub mod cause;
mod compare;
mod control;

use super::{
    flows::Flows,
    local::Local,
    reach::{Reach, Target},
    witness::Witness,
};
use crate::policy::{Allow, ListenerId, Policy, UpstreamId};

pub use cause::{Cause, Field};

/// How a change is judged; the later, the more a reviewer should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// The same flows to the same backends.
    Neutral,
    /// Fewer flows.
    Narrowing,
    /// The same flows under a control that holds less.
    Weakening,
    /// The same flows, some of them to a backend that they did not reach.
    Retarget,
    /// It depends on the host whether there are more flows.
    Unknown,
    /// More flows here, fewer there.
    Mixed,
    /// More flows.
    Widening,
}

/// What becomes of one file when another takes its place.
#[derive(Debug, Clone, Default)]
pub struct Diff {
    /// One for every listener that differs, the worst first.
    pub changes: Vec<Change>,
    /// How many listeners are as they were.
    pub unchanged: usize,
}

/// What becomes of one listener.
#[derive(Debug, Clone)]
pub struct Change {
    /// Its name; in the old file, if it is gone.
    pub listener: ListenerId,
    /// Whether it is in the new file.
    pub stays: bool,
    /// How it is judged.
    pub effect: Effect,
    /// What clients reach that they did not.
    pub gained: Vec<Part>,
    /// What they reach no more.
    pub lost: Vec<Part>,
    /// What was loosened.
    pub loosened: Vec<Cause>,
    /// What was tightened.
    pub tightened: Vec<Cause>,
    /// What was changed in the file.
    pub causes: Vec<Cause>,
    /// Who signed for the listener as it is now.
    pub allow: Option<Allow>,
    /// Whether it asks for what must be signed for.
    pub needs_allow: bool,
}

/// Some flows that were gained or lost.
#[derive(Debug, Clone)]
pub struct Part {
    /// How far they get.
    pub level: Level,
    /// Whether their clients get this far in the other file too, on the same ports, by another way.
    pub by_another_way: bool,
    /// How far they got, if gained; how far they get, if lost. Of the witness.
    pub otherwise: Otherwise,
    /// The group of backends; none for the status page, or where they get to none.
    pub upstream: Option<UpstreamId>,
    /// The backends that they get to.
    pub targets: Vec<Target>,
    /// The flows.
    pub flows: Flows,
    /// One of them.
    pub witness: Witness,
    /// Whether it holds on every host.
    pub certain: bool,
    /// The questions to the host that decide it, of each whether the first is the second; some of
    /// them.
    pub questions: Vec<(Local, Local)>,
}

/// How far a flow gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The kernel takes it, though under the assumptions it does not arrive.
    Accepted,
    /// It arrives and is turned away.
    Visible,
    /// A backend answers.
    Served,
}

/// How far a flow gets in the other file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// Nowhere.
    Nothing,
    /// The kernel takes it.
    Accepted,
    /// It is turned away.
    Visible,
    /// To another backend.
    Elsewhere,
}

/// Compares what two files mean, of each with who can reach what.
#[must_use]
pub fn diff(old: (&Policy, &Reach), new: (&Policy, &Reach)) -> Diff {
    let mut changes = compare::changes(old, new);
    changes.sort_by(|a, b| b.effect.cmp(&a.effect).then_with(|| a.listener.cmp(&b.listener)));
    let staying = changes.iter().filter(|change| change.stays).count();
    Diff { unchanged: new.0.listeners.len() - staying, changes }
}

impl Diff {
    /// How the whole is judged: more in one listener and less in another is mixed.
    #[must_use]
    pub fn effect(&self) -> Effect {
        let worst = self.changes.iter().map(|change| change.effect).max();
        let less = |effect| matches!(effect, Effect::Narrowing | Effect::Mixed);
        let lost = self.changes.iter().any(|change| less(change.effect));
        match worst.unwrap_or(Effect::Neutral) {
            Effect::Widening if lost => Effect::Mixed,
            effect => effect,
        }
    }
}

impl Effect {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Narrowing => "narrowing",
            Self::Weakening => "weakening",
            Self::Retarget => "retarget",
            Self::Unknown => "unknown",
            Self::Mixed => "mixed",
            Self::Widening => "widening",
        }
    }

    /// Whether it needs nobody's approval.
    #[must_use]
    pub fn passes(self) -> bool {
        matches!(self, Self::Neutral | Self::Narrowing)
    }
}

impl Level {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Visible => "visible",
            Self::Served => "served",
        }
    }
}

#[cfg(test)]
mod tests;
