//! What may be bound: the file and the guardrails, judged here and not by who asks.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    facts::{self, Facts},
    plan::{Bind, BindKey, Plan},
    policy::Policy,
    supervisor::{
        Accepted, Judgement, Options,
        admin::{self, protocol::Finding},
        guardrails,
        load::{self, Content},
        place::{self, Place},
    },
    sys::process::Account,
};

use super::message::Subject;

/// The most reasons that are told for a refusal; the service finds the same ones by itself.
const MAX_REASONS: usize = 16;

/// The most paths that are remembered: hundreds of the largest files. A file at a path beyond it is
/// left where it is when its listener goes.
const MAX_PATHS: usize = 65_536;

/// What is known of the file.
pub(super) struct Authority<'a> {
    options: &'a Options,
    place: Option<Place>,
    /// Whose path sockets are, unless the file says.
    account: Option<Account>,
    /// What runs, by the word of who asks; it was judged here all the same.
    running: Option<Judged>,
    /// `None` when nothing was judged, or what was judged last is refused.
    judged: Option<Judged>,
    /// The paths of sockets in every file that was judged good.
    paths: BTreeSet<PathBuf>,
}

/// What was judged to be good.
#[derive(Clone)]
struct Judged {
    content: Content,
    policy: Policy,
    plan: Plan,
}

impl<'a> Authority<'a> {
    pub(super) fn new(
        options: &'a Options,
        place: Option<Place>,
        account: Option<Account>,
    ) -> Self {
        Self { options, place, account, running: None, judged: None, paths: BTreeSet::new() }
    }

    /// Judges what is asked for next.
    ///
    /// # Errors
    /// The reasons why nothing may be had.
    pub(super) fn judge(&mut self, what: Subject) -> Result<(), Vec<String>> {
        self.judged = None;
        let facts = facts::live::read().map_err(|error| vec![error.to_string()])?;
        let content = match (what, &self.running) {
            (Subject::Running, Some(running)) => running.content.clone(),
            (Subject::Running, None) => return Err(vec!["nothing runs yet".to_owned()]),
            (Subject::File, _) => load::once(&self.options.file).map_err(|error| unread(&error))?,
        };
        let judged = self.hold(content, facts)?;
        let admin = self.admin(&judged.policy);
        let keys = judged.plan.binds.keys().chain(admin.as_ref().map(|admin| &admin.key));
        let paths = keys.filter_map(BindKey::path).map(Path::to_owned);
        self.paths.extend(paths.take(MAX_PATHS.saturating_sub(self.paths.len())));
        self.judged = Some(judged);
        Ok(())
    }

    /// Holds a content against the guardrails as they are now.
    fn hold(&self, content: Content, facts: Facts) -> Result<Judged, Vec<String>> {
        let named = &self.options.guardrails;
        let guardrails = guardrails::load_to_run(named).map_err(|error| unread(&error))?;
        let running = self.running.as_ref().map(|running| &running.policy);
        let mut judgement = Judgement::of(self.options, &content, facts, guardrails, running);
        match judgement.accepted.take() {
            Some(Accepted { policy, plan, .. }) => Ok(Judged { content, policy, plan }),
            None => {
                let findings = judgement.findings();
                Err(findings.iter().filter_map(reason).take(MAX_REASONS).collect())
            }
        }
    }

    /// What the file says of a socket that is asked for.
    ///
    /// # Errors
    /// When it says nothing of it, with the reason.
    pub(super) fn grants(&self, key: &BindKey) -> Result<Bind, &'static str> {
        let Some(judged) = &self.judged else { return Err("nothing was judged") };
        let mut bind = match judged.plan.binds.get(key) {
            Some(bind) => bind.clone(),
            None => self
                .admin(&judged.policy)
                .filter(|admin| admin.key == *key)
                .ok_or("the file that was judged last does not ask for this socket")?,
        };
        if let (Some(unix), Some(account)) = (&mut bind.unix, &self.account) {
            unix.owner.get_or_insert_with(|| account.user.to_string());
            unix.group.get_or_insert_with(|| account.group.to_string());
        }
        Ok(bind)
    }

    fn admin(&self, policy: &Policy) -> Option<Bind> {
        let wanted = place::admin_socket(&policy.runtime.admin, self.place.as_ref());
        wanted.as_ref().map(admin::bind)
    }

    /// Whether a file that was judged good has this path.
    pub(super) fn has_had(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }

    /// What was judged last runs now.
    pub(super) fn commit(&mut self) {
        self.running.clone_from(&self.judged);
    }
}

fn unread(error: &dyn std::error::Error) -> Vec<String> {
    let why = error.source().map_or_else(String::new, |source| format!(": {source}"));
    vec![format!("{error}{why}")]
}

/// A finding that refuses the file, in one line.
fn reason(finding: &Finding) -> Option<String> {
    let refuses = !matches!(finding.level.as_str(), "info" | "warning");
    let code = finding.code.as_deref().filter(|_| refuses)?;
    let place = finding.place.as_deref().unwrap_or_default();
    let notes: String = finding.notes.iter().map(|note| format!("; {note}")).collect();
    Some(format!("{code}: {} ({place}){notes}", finding.message))
}
