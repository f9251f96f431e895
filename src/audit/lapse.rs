//! Which listeners nobody lets be any more: what signed for them, or granted them, has ended.

use std::collections::BTreeMap;

use crate::{
    address::Date,
    exposure::{
        Exposure,
        leave::{Leaves, Pass},
    },
    policy::{
        ListenerId, Policy,
        governance::{GuardrailFile, Standing, standing},
    },
};

/// Those listeners, each with what has ended. One that never had leave is no matter of days:
/// `check` refuses it.
#[must_use]
pub fn lapsed(
    policy: &Policy,
    exposure: &Exposure,
    guardrails: &[GuardrailFile],
    today: Date,
) -> BTreeMap<ListenerId, String> {
    let leaves = Leaves::of(policy, exposure, guardrails, today);
    let mut lapsed = BTreeMap::new();
    for listener in policy.listeners.values() {
        let allow = listener.allow.as_ref().filter(|_| listener.needs_allow());
        let of_file = allow.and_then(|allow| match standing(&allow.expires, today) {
            Standing::Expired(last) => Some(format!("the `allow` ended with {last}, UTC")),
            Standing::Malformed => Some("the `allow` ends on no day, so it has ended".to_owned()),
            Standing::Unlimited | Standing::Left(_) => None,
        });
        let of_guardrail = leaves.listener(&listener.id).iter().find_map(|leave| {
            let Pass::Refused(Some(near)) = &leave.pass else { return None };
            let has_ended = !standing(&near.grant.expires, today).holds();
            leave.refusal(guardrails, today).filter(|_| near.excess.is_empty() && has_ended)
        });
        if let Some(why) = of_file.or(of_guardrail) {
            lapsed.insert(listener.id.clone(), why);
        }
    }
    lapsed
}
