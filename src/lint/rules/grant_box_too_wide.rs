//! PC0112 `grant-box-too-wide`. The page is `grant_box_too_wide.md`.

use std::collections::BTreeSet;

use crate::{
    address::set::AddressSet,
    diagnostic::Level,
    exposure::leave::Pass,
    lint::{Check, Context, Group, Report, Rule, exception::Held},
    policy::{
        Family, ListenerId, PortRange,
        governance::{Few, Flow},
    },
};

pub(super) static RULE: Rule = Rule {
    code: "PC0112",
    name: "grant-box-too-wide",
    group: Group::Exposure,
    level: Level::Warn,
    since: "0.1.0",
    page: include_str!("grant_box_too_wide.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for held in cx.grants() {
        let name = &held.grant.listener;
        let leaves = cx.leaves.listener(&ListenerId::new(name)).iter();
        let flows: Vec<&Flow> = leaves
            .filter(|leave| leave.guardrail == held.guardrail)
            .filter(|leave| matches!(leave.pass, Pass::Granted(id) if id == held.id))
            .map(|leave| &leave.flow)
            .collect();
        let surplus = if flows.is_empty() { Vec::new() } else { surplus(held, &flows) };
        if !surplus.is_empty() {
            let message = format!("grant {} holds more than `{name}` exposes", held.id);
            report
                .of_guardrail(held.guardrail, held.at(|grant| &grant.r#box), message)
                .listener(name)
                .label(format!("not used: {}", surplus.join(", ")))
                .note("what is granted and not used is exposed by the next change without a review")
                .help("leave it out of the box");
        }
    }
}

/// What is in the box and in none of the flows.
fn surplus(held: Held<'_>, flows: &[&Flow]) -> Vec<String> {
    let bounds = &held.grant.bounds;
    let scopes: BTreeSet<_> = flows.iter().map(|flow| flow.scope).collect();
    let nets: Vec<_> = flows.iter().filter_map(|flow| flow.net.as_ref()).collect();
    let families: BTreeSet<_> = nets.iter().map(|net| net.family).collect();
    let mut surplus: Vec<String> =
        bounds.scopes.difference(&scopes).map(|scope| format!("class `{scope}`")).collect();
    surplus.extend(bounds.families.difference(&families).map(ToString::to_string));
    let used: Vec<_> = nets.iter().map(|net| net.ports).collect();
    if bounds.ports.iter().any(|ports| !is_covered(*ports, &used)) {
        surplus.push("some of its ports".to_owned());
    }
    let clients = nets.iter().fold(AddressSet::default(), |all, net| all.union(&net.clients));
    // The clients of a family that is not used are not used with it.
    let of_families = families
        .iter()
        .fold(AddressSet::default(), |all, one| all.union(&AddressSet::all_of(*one == Family::V4)));
    let strangers = bounds.clients.intersection(&of_families).difference(&clients);
    if !strangers.is_empty() {
        surplus.push(format!("clients {}", Few(&strangers)));
    }
    let upstreams: BTreeSet<_> = flows.iter().map(|flow| &flow.upstream).collect();
    match &bounds.upstreams {
        None => surplus.push("every other upstream".to_owned()),
        Some(granted) => {
            let unused = granted.iter().filter(|name| !upstreams.contains(name));
            surplus.extend(unused.map(|name| format!("upstream `{name}`")));
        }
    }
    surplus
}

/// Whether every port of a range is among others, which are disjoint.
fn is_covered(range: PortRange, used: &[PortRange]) -> bool {
    let used: BTreeSet<_> = used.iter().copied().collect();
    let common = used.iter().map(|other| {
        let (first, last) = (other.first.max(range.first), other.last.min(range.last));
        u32::from(last).saturating_add(1).saturating_sub(first.into())
    });
    common.sum::<u32>() == u32::from(range.last - range.first) + 1
}
