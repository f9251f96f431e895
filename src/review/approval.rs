//! Who approved a change: a grant of others, the file itself, or nobody.

use super::{Review, escape::plain};
use crate::{
    exposure::{
        diff::{Change, Effect, Field},
        leave::{Leave, Pass},
    },
    policy::{
        Allow, Expiry, Listener,
        governance::{Grant, GuardrailFile, Scope},
    },
};

/// How many lines say who approved one change; a listener with more grants than that is not read.
const MAX_LINES: usize = 8;

impl<'a> Review<'a> {
    /// The guardrails of the proposed file, where they are known.
    pub(super) fn guardrails(&self) -> &'a [GuardrailFile] {
        self.new.and_then(|version| version.guardrails).unwrap_or_default()
    }

    /// What the guardrails say of what a listener gains.
    pub(super) fn gained(&self, change: &Change) -> &[Leave<'a>] {
        self.gained.get(&change.listener).map_or(&[], Vec::as_slice)
    }

    /// Whether everything that it gains was granted by somebody who is named, in every guardrail. A
    /// control that holds less is no flow, and in no grant; nor is what only the host can tell.
    #[must_use]
    pub fn is_granted(&self, change: &Change) -> bool {
        let widens = matches!(change.effect, Effect::Widening | Effect::Mixed | Effect::Retarget);
        let gained = self.gained(change);
        let is_signed =
            change.allow.as_ref().is_some_and(|allow| allow.expires.holds_on(self.today));
        let is_approved = |leave: &Leave<'_>| {
            self.grant(leave).is_some_and(|(_, grant)| grant.approved_by.is_some())
        };
        widens
            && change.loosened.is_empty()
            && !swaps_backends(change)
            && (is_signed || !change.needs_allow)
            && !gained.is_empty()
            && gained.iter().all(is_approved)
    }

    /// The grant that lets something pass, with its id.
    fn grant(&self, leave: &Leave<'a>) -> Option<(&'a str, &'a Grant)> {
        let Pass::Granted(id) = leave.pass else { return None };
        let file = self.guardrails().get(leave.guardrail)?;
        Some((id, &file.meaning.grants.get(id)?.value))
    }

    /// Who approved a change, in lines.
    pub(super) fn approval(&self, change: &Change) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for leave in self.gained(change) {
            let line = match self.grant(leave) {
                Some((id, grant)) => granted(id, grant),
                None => self.not_granted(leave),
            };
            if !lines.contains(&line) && lines.len() < MAX_LINES {
                lines.push(line);
            }
        }
        let is_held = self.gained(change).iter().all(|leave| self.grant(leave).is_some());
        if lines.is_empty() {
            lines.push(self.by_the_file(change));
        } else if is_held && !self.is_granted(change) {
            lines.extend(self.lacking(change));
        }
        lines
    }

    fn not_granted(&self, leave: &Leave<'_>) -> String {
        match leave.refusal(self.guardrails(), self.today) {
            Some(refusal) => format!("by no grant: {refusal}"),
            None => {
                let name = self.guardrails().get(leave.guardrail).map_or("", GuardrailFile::name);
                let scope = leave.flow.scope;
                format!("by nobody, and guardrail `{name}` wants no grant for `{scope}`")
            }
        }
    }

    /// Why grants that hold everything do not suffice.
    fn lacking(&self, change: &Change) -> Option<String> {
        let is_signed =
            change.allow.as_ref().is_some_and(|allow| allow.expires.holds_on(self.today));
        if change.needs_allow && !is_signed {
            Some(
                "not by the file itself, which must sign as well: it has no `allow` that holds"
                    .to_owned(),
            )
        } else if !change.loosened.is_empty() {
            Some("by nobody, as for what was loosened: no grant is about that".to_owned())
        } else if swaps_backends(change) {
            Some(
                "by nobody, as for the backends: a grant names the group, not who is in it"
                    .to_owned(),
            )
        } else {
            None
        }
    }

    /// Who signed for it, or that nobody did, where no guardrail is known.
    fn by_the_file(&self, change: &Change) -> String {
        match &change.allow {
            Some(allow) if allow.expires.holds_on(self.today) => {
                format!("by the file itself (self-approved): {}", signature(allow))
            }
            Some(allow) => format!("by nobody any more: {}", signature(allow)),
            None if change.needs_allow => {
                "by nobody: what is public or any needs an `allow`, and there is none".to_owned()
            }
            None => "by nobody; the language asks for no `allow` here".to_owned(),
        }
    }
}

/// Whether a group has other backends under the name that it had: whoever granted it knew the
/// others.
fn swaps_backends(change: &Change) -> bool {
    change.causes.iter().any(|cause| cause.field == Field::Backends)
}

/// What stands for a listener as it is, changed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Footing<'a> {
    /// Guardrails grant it by these, all of them.
    Granted(Vec<&'a str>),
    /// A guardrail lets it pass by no grant, or the file has to sign for it and does not. With the
    /// narrowest scope that is refused, if a guardrail refuses.
    Missing(Option<Scope>),
    /// Nobody has to grant it.
    Free,
}

impl<'a> Review<'a> {
    /// What stands for a listener of the proposed file.
    pub(super) fn footing(&self, listener: &Listener) -> Footing<'a> {
        let leaves = self.leaves.listener(&listener.id);
        let refused = leaves.iter().filter(|leave| matches!(leave.pass, Pass::Refused(_)));
        let refused = refused.map(|leave| leave.flow.scope).min();
        let signed = listener.allow.as_ref().map(|allow| &allow.expires);
        let is_signed = signed.is_some_and(|expires| expires.holds_on(self.today));
        if refused.is_some() || listener.needs_allow() && !is_signed {
            return Footing::Missing(refused);
        }
        let mut ids = Vec::new();
        for leave in leaves {
            if let Pass::Granted(id) = leave.pass
                && !ids.contains(&id)
            {
                ids.push(id);
            }
        }
        if ids.is_empty() { Footing::Free } else { Footing::Granted(ids) }
    }

    /// Why guardrails let a listener of the proposed file not pass, in lines.
    pub(super) fn refusals(&self, listener: &Listener) -> Vec<String> {
        let leaves = self.leaves.listener(&listener.id).iter();
        let mut lines: Vec<_> =
            leaves.filter_map(|leave| leave.refusal(self.guardrails(), self.today)).collect();
        lines.dedup();
        lines
    }
}

/// `by grant EXC-1, through 2027-03-18, approved by security@example.com`.
fn granted(id: &str, grant: &Grant) -> String {
    let id = plain(id);
    let until = until(&grant.expires);
    match &grant.approved_by {
        Some(who) => format!("by grant {id}, {until}, approved by {}", plain(who)),
        None => {
            format!("by grant {id}, {until}, which counts as no approval: it has no `approved_by`")
        }
    }
}

fn signature(allow: &Allow) -> String {
    let mut words = vec![plain(&allow.reason)];
    let named = [("owner", &allow.owner), ("ticket", &allow.ticket), ("grant", &allow.grant)];
    for (key, value) in named {
        words.extend(value.as_ref().map(|value| format!("{key} {value}")));
    }
    words.push(until(&allow.expires));
    words.join(", ")
}

/// Until when an exception holds.
pub(super) fn until(expires: &Expiry) -> String {
    match expires {
        Expiry::Never => "never expires".to_owned(),
        Expiry::On(day) => format!("through {day}"),
        Expiry::Malformed => "expired".to_owned(),
    }
}
