//! What a grant lets pass, as the finding that there would be without it.

use super::{Context, rule, signature::exposes};
use crate::{
    address::Date,
    diagnostic::{Code, Diagnostic},
    exposure::leave::Pass,
    policy::{
        Expiry,
        governance::{Scope, Standing, standing},
    },
    source::Span,
};

/// What lets an exposure pass a guardrail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// What there would be to find if it did not.
    pub finding: Diagnostic,
    /// Whose exposure.
    pub listener: String,
    /// The guardrail.
    pub guardrail: String,
    /// Its grant.
    pub grant: String,
    /// Where the guardrail grants it.
    pub span: Span,
    /// Why.
    pub reason: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// The last day on which it holds; `None` is no end.
    pub expires: Option<Date>,
    /// How many days it has left; `None` is no end.
    pub days_left: Option<u32>,
}

impl Approval {
    /// What tells it from others.
    pub(crate) fn key(&self) -> (&str, &str, &str, Code) {
        (&self.listener, &self.guardrail, &self.grant, self.finding.code)
    }
}

/// Which grant lets what pass, in order, each once.
pub(super) fn approvals(cx: &Context<'_>) -> Vec<Approval> {
    let mut approvals: Vec<_> = cx
        .policy
        .listeners
        .keys()
        .flat_map(|listener| {
            cx.leaves.listener(listener).iter().map(move |leave| (listener, leave))
        })
        .filter_map(|(listener, leave)| {
            let Pass::Granted(id) = leave.pass else { return None };
            let file = &cx.guardrails[leave.guardrail];
            let entry = file.meaning.grants.get(id)?;
            let grant = &entry.value;
            let rule = rule(rule_of(leave.flow.scope))?;
            let family = leave.flow.net.as_ref().map(|net| net.family);
            let wrote = cx.wrote(listener);
            let place = family.map_or_else(|| wrote.expose(), |family| wrote.side(family));
            let message = exposes(leave.flow.scope, listener);
            let finding = Diagnostic::error(Code(rule.code), place, message);
            Some(Approval {
                finding: finding.level(rule.level).listener(listener.to_string()),
                listener: listener.to_string(),
                guardrail: file.name().to_owned(),
                grant: id.to_owned(),
                span: entry.span,
                reason: grant.reason.clone(),
                owner: grant.owner.clone(),
                expires: last_day(&grant.expires),
                days_left: match standing(&grant.expires, cx.today) {
                    Standing::Left(days) => Some(days),
                    _ => None,
                },
            })
        })
        .collect();
    approvals.sort_by(|a, b| a.key().cmp(&b.key()));
    approvals.dedup_by(|a, b| a.key() == b.key());
    approvals
}

/// The last day that an exception says of itself, if it says one.
pub(super) fn last_day(expires: &Expiry) -> Option<Date> {
    match expires {
        Expiry::On(last) => Some(*last),
        Expiry::Never | Expiry::Malformed => None,
    }
}

/// The rule that objects where nothing lets this pass.
fn rule_of(scope: Scope) -> &'static str {
    match scope {
        Scope::Any => "PC0101",
        Scope::Public => "PC0102",
        Scope::Unix | Scope::Loopback | Scope::Link | Scope::Private | Scope::Shared => "PC0113",
    }
}
