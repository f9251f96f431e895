//! PC1105 `unused-grant`. The page is `unused_grant.md`.

use crate::{
    diagnostic::Level,
    exposure::leave::{Pass, holds},
    lint::{Check, Context, Group, Report, Rule},
    policy::ListenerId,
};

pub(super) static RULE: Rule = Rule {
    code: "PC1105",
    name: "unused-grant",
    group: Group::Governance,
    level: Level::Warn,
    since: "0.1.0",
    page: include_str!("unused_grant.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for held in cx.grants() {
        let (id, name) = (held.id, &held.grant.listener);
        let place = held.at(|grant| &grant.listener);
        if !held.has_listener(cx) {
            let message = format!(
                "grant {id} is for a listener `{name}`, and `{}` has none",
                held.grant.service
            );
            report
                .of_guardrail(held.guardrail, place, message)
                .note("a listener that is added under this name would be granted unseen")
                .help("remove the grant, or name the listener that it is for");
            continue;
        }
        let leaves = cx.leaves.listener(&ListenerId::new(name)).iter();
        let mut leaves = leaves.filter(|leave| leave.guardrail == held.guardrail);
        // Where something is refused, or only the host can tell, it is not the grant that is too
        // much.
        let is_used = leaves.any(|leave| match leave.pass {
            Pass::Granted(by) => by == id,
            Pass::Refused(_) | Pass::Perhaps => true,
            Pass::Free => false,
        });
        if holds(held.grant, cx.today)
            && !is_used
            && cx.policy.listeners.contains_key(&ListenerId::new(name))
        {
            let message = format!("nothing that `{name}` exposes needs grant {id}");
            report
                .of_guardrail(held.guardrail, place, message)
                .listener(name)
                .note("what is granted and not used is exposed by the next change without a review")
                .help("remove the grant");
        }
    }
}
