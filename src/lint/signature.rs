//! Whether somebody has signed for an exposure and every guardrail lets it pass, and what to write
//! where that is not so.

use super::{Context, Finding};
use crate::{
    address::{Class, classify},
    exposure::leave::{Leave, Pass},
    policy::{
        Allow, Family, Listener, ListenerId,
        governance::{Scope, Standing, standing},
    },
};

/// The block in the advice where the host is not known.
const EXAMPLE_BLOCK: &str = "10.20.0.0/16";

/// Why an exposure may not be.
#[derive(Debug)]
pub(super) struct Objection<'a> {
    /// What is the matter with the listener's own `allow`, where it needs one.
    unsigned: Option<Unsigned>,
    /// The first thing that each guardrail refuses.
    refused: Vec<&'a Leave<'a>>,
}

/// Why an `allow` does not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unsigned {
    /// There is none.
    Missing,
    /// It does not hold any more.
    Lapsed(Standing),
}

/// What a listener does that exposes something of this scope, as the finding about it says.
pub(super) fn exposes(scope: Scope, listener: &ListenerId) -> String {
    match scope {
        Scope::Any => format!("`{listener}` listens on every address this host has or will have"),
        Scope::Public => format!("`{listener}` is reachable from the internet"),
        Scope::Unix | Scope::Loopback | Scope::Link | Scope::Private | Scope::Shared => {
            format!("`{listener}` exposes what a guardrail does not let it")
        }
    }
}

impl Objection<'_> {
    /// The family of what a guardrail refuses.
    pub(super) fn family(&self) -> Option<Family> {
        self.refused.iter().find_map(|leave| Some(leave.flow.net.as_ref()?.family))
    }
}

/// What stands against a listener's exposure of these scopes. `is_wide` is whether the file itself
/// has to sign for it.
pub(super) fn objection<'a>(
    cx: &Context<'a>,
    listener: &Listener,
    is_wide: bool,
    scopes: &[Scope],
) -> Option<Objection<'a>> {
    let runs = cx.runs(listener);
    let unsigned = unsigned(listener.allow.as_ref(), cx)
        .filter(|unsigned| is_wide && !(runs && matches!(unsigned, Unsigned::Lapsed(_))));
    let refused = refused(cx, &listener.id, scopes, runs);
    (unsigned.is_some() || !refused.is_empty()).then_some(Objection { unsigned, refused })
}

/// Whether the file itself signs for a listener.
pub(super) fn is_signed(cx: &Context<'_>, listener: &Listener) -> bool {
    unsigned(listener.allow.as_ref(), cx).is_none()
}

fn unsigned(allow: Option<&Allow>, cx: &Context<'_>) -> Option<Unsigned> {
    let Some(allow) = allow else { return Some(Unsigned::Missing) };
    let standing = standing(&allow.expires, cx.today);
    (!standing.holds()).then_some(Unsigned::Lapsed(standing))
}

fn refused<'a>(
    cx: &Context<'a>,
    listener: &ListenerId,
    scopes: &[Scope],
    runs: bool,
) -> Vec<&'a Leave<'a>> {
    let mut refused: Vec<&Leave<'_>> = Vec::new();
    for leave in cx.leaves.listener(listener) {
        let is_new = refused.last().is_none_or(|last| last.guardrail != leave.guardrail);
        let is_refused = match &leave.pass {
            // It was inside the box when it was accepted, and only the days are over.
            Pass::Refused(Some(near)) => !(runs && near.excess.is_empty()),
            Pass::Refused(None) => true,
            Pass::Free | Pass::Perhaps | Pass::Granted(_) => false,
        };
        if is_new && is_refused && scopes.contains(&leave.flow.scope) {
            refused.push(leave);
        }
    }
    refused
}

/// Says what stands against it, and what to write instead.
pub(super) fn explain<'r>(
    finding: Finding<'r>,
    cx: &Context<'_>,
    listener: &ListenerId,
    objection: &Objection<'_>,
) -> Finding<'r> {
    let wrote = cx.wrote(listener);
    let mut finding = match objection.unsigned {
        None => finding.label("no grant holds all of this"),
        Some(Unsigned::Missing) => finding.label("nobody has signed for this"),
        Some(Unsigned::Lapsed(Standing::Expired(last))) => finding
            .label("nobody signs for this any more")
            .related(wrote.expires(), format!("the signature ended with {last}, UTC")),
        Some(Unsigned::Lapsed(_)) => finding
            .label("nobody signs for this")
            .related(wrote.expires(), "this is no day as YYYY-MM-DD, so it counts as expired"),
    };
    for leave in &objection.refused {
        if let Some(refusal) = leave.refusal(cx.guardrails, cx.today) {
            finding = finding.note(refusal);
        }
    }
    finding = finding.help(format!(
        "name what clients are meant to reach: `expose: {{ private: {{ subnet: {} }} }}` or `expose: loopback`",
        narrower(cx)
    ));
    if objection.unsigned.is_some() {
        finding = finding.help(
            "if it is meant, sign for it: `allow: { reason: …, owner: …, expires: YYYY-MM-DD }`",
        );
    }
    for leave in &objection.refused {
        finding = finding.help(request(cx, listener, leave));
    }
    finding
}

/// What to ask of those who answer for the guardrail: the box that would hold it.
fn request(cx: &Context<'_>, listener: &ListenerId, leave: &Leave<'_>) -> String {
    let file = &cx.guardrails[leave.guardrail];
    let who = file.meaning.policy_owner.as_deref().unwrap_or("its owner");
    let Some(service) = &cx.policy.service else {
        return format!(
            "name this file, such as `service: {listener}`, for a grant of guardrail `{}` is for a service",
            file.name()
        );
    };
    let flow = &leave.flow;
    let net = flow.net.as_ref().map_or_else(String::new, |net| {
        let family = if net.family == Family::V4 { "v4" } else { "v6" };
        let ports = match (net.ports.first, net.ports.last) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        };
        let clients = if cx.policy.listeners.get(listener).is_some_and(|one| one.clients.is_some())
        {
            "[…]"
        } else {
            "any"
        };
        format!("families: [{family}], protocol: tcp, ports: [{ports}], clients: {clients}, ")
    });
    format!(
        "or ask {who} for a grant: `service: {service}, listener: {listener}, box: {{ classes: [{}], {net}upstreams: [\"{}\"] }}`",
        flow.scope, flow.upstream
    )
}

/// A private block that this host is in, or one for example.
fn narrower(cx: &Context<'_>) -> String {
    let addresses = cx.host.iter().flat_map(|host| &host.facts.addresses);
    let mut private = addresses.filter(|have| classify(have.address) == Class::Private);
    let block = private.next().and_then(|have| ipnet::IpNet::new(have.address, have.prefix).ok());
    block.map_or_else(|| EXAMPLE_BLOCK.to_owned(), |block| block.trunc().to_string())
}
