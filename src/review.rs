//! What a reviewer reads: a difference or a policy as text, Markdown, JSON or a picture. Pure: data
//! in, text out.
//!
//! Names, reasons and paths come from a file that its author controls. Nothing of them reaches an
//! output unescaped.

pub mod approval;
pub mod entry;
pub mod escape;
pub mod from;
pub mod governance;
pub mod grid;
pub mod json;
pub mod markdown;
pub mod mermaid;
pub mod svg;
pub mod text;

use std::collections::BTreeMap;

use governance::Notice;

use crate::{
    address::Date,
    config::Config,
    exposure::{
        Exposure,
        diff::{Change, Diff, Effect, diff},
        leave::{Leave, Leaves, gained::Judges},
        matrix::Matrix,
        reach::Reach,
    },
    policy::{ListenerId, Policy, claim::Assume, governance::GuardrailFile},
    source::Source,
};

/// One file under review.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// Its text, to tell lines.
    pub source: &'a Source,
    /// What was written, to tell places.
    pub config: &'a Config,
    /// What it means.
    pub policy: &'a Policy,
    /// The limits that others set to it, where they are known.
    pub guardrails: Option<&'a [GuardrailFile]>,
}

/// Two files, what lies between them, and all that is to be said with it.
#[derive(Debug)]
pub struct Review<'a> {
    /// The file that is in force; none if there was none.
    pub old: Option<Version<'a>>,
    /// The file that is proposed; none if it is taken away.
    pub new: Option<Version<'a>>,
    /// What is taken for granted of the network.
    pub assume: Assume,
    /// What changes.
    pub diff: Diff,
    /// Who reaches what afterwards, with what grew.
    pub matrix: Matrix,
    /// What each proposed listener's bound rests on.
    pub reach: Reach,
    /// What the proposed file's guardrails let pass of it; nothing where they are not known.
    pub leaves: Leaves<'a>,
    /// What they let pass of what each listener gains.
    pub gained: BTreeMap<ListenerId, Vec<Leave<'a>>>,
    /// Changes of who may approve what, the worst first; they never pass in silence.
    pub governance: Vec<Notice>,
    /// The day on which signatures are held against their expiry.
    pub today: Date,
}

impl<'a> Review<'a> {
    /// Compares two files.
    #[must_use]
    pub fn of(
        old: Option<Version<'a>>,
        new: Option<Version<'a>>,
        assume: Assume,
        today: Date,
    ) -> Self {
        let nothing = Policy::default();
        let policy = |version: Option<Version<'a>>| version.map(|version| version.policy);
        let (before, after) = (policy(old).unwrap_or(&nothing), policy(new).unwrap_or(&nothing));
        let reach = |policy: &Policy| Reach::of(policy, &Exposure::of(policy), assume);
        let (was, is) = (reach(before), reach(after));
        let matrix = Matrix::of(after, &is).since(&Matrix::of(before, &was));
        let diff = diff((before, &was), (after, &is));
        let guardrails = new.and_then(|version| version.guardrails).unwrap_or_default();
        let leaves = Leaves::of(after, &Exposure::of(after), guardrails, today);
        let judges = Judges::of(guardrails, after.service.as_deref(), today);
        let gained = diff.changes.iter().filter_map(|change| {
            let listener = after.listeners.get(&change.listener)?;
            Some((change.listener.clone(), judges.leaves(change, listener)))
        });
        let gained = gained.collect();
        let governance = Vec::new();
        let mut review =
            Self { old, new, assume, diff, matrix, reach: is, leaves, gained, governance, today };
        review.governance = governance::notices(&review);
        review
    }

    /// Whether it needs nobody's approval.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.unapproved().is_none() && !self.loosens_governance()
    }

    /// The worst that a listener does and nobody has granted.
    #[must_use]
    pub fn unapproved(&self) -> Option<Effect> {
        let passes = |change: &&Change| change.effect.passes() || self.is_granted(change);
        let refused = self.diff.changes.iter().filter(|change| !passes(change));
        refused.map(|change| change.effect).max()
    }

    /// Whether more can be approved than before, or by fewer.
    #[must_use]
    pub fn loosens_governance(&self) -> bool {
        self.governance.iter().any(|notice| notice.loosens)
    }

    /// Whether the files mean different things.
    #[must_use]
    pub fn changes_something(&self) -> bool {
        let is_change = |change: &Change| change.effect != Effect::Neutral;
        self.diff.changes.iter().any(is_change) || !self.governance.is_empty()
    }

    /// `1 widening, 2 narrowing`, the worst first.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut words = Vec::new();
        for effect in WORST_FIRST {
            let changes = self.diff.changes.iter();
            let count = changes.filter(|change| change.effect == effect).count();
            if count > 0 {
                words.push(format!("{count} {}", effect.word()));
            }
        }
        if !self.governance.is_empty() {
            words.push(format!("{} governance", self.governance.len()));
        }
        if words.is_empty() { "no change".to_owned() } else { words.join(", ") }
    }
}

const WORST_FIRST: [Effect; 7] = [
    Effect::Widening,
    Effect::Mixed,
    Effect::Unknown,
    Effect::Retarget,
    Effect::Weakening,
    Effect::Narrowing,
    Effect::Neutral,
];
