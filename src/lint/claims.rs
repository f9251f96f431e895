//! Every claim with what became of it: one verdict for all rules that ask.

use super::{Context, Finding, Report};
use crate::{
    config::Spanned,
    exposure::{
        connection::Origin,
        proof::{Counterexample, Proof, decide},
    },
    policy::{
        ListenerId,
        claim::{Claim, Outcome},
    },
    source::Span,
};

/// A claim, and what became of it.
#[derive(Debug)]
pub(super) struct Decided<'a> {
    /// The guardrail that claims it, by its place among those given; none is the file itself.
    pub(super) guardrail: Option<usize>,
    /// What is claimed.
    pub(super) claim: &'a Claim,
    /// Where.
    pub(super) span: Span,
    /// What became of it.
    pub(super) proof: Proof,
}

/// Decides the claims of the file and of every guardrail.
pub(super) fn decided<'a>(cx: &Context<'a>) -> Vec<Decided<'a>> {
    let mut all = Vec::new();
    for Spanned { value: claim, span } in &cx.claims.tests {
        let proof = decide(claim, cx.policy, cx.exposure, None);
        all.push(Decided { guardrail: None, claim, span: *span, proof });
    }
    for (at, file) in cx.readable_guardrails() {
        for Spanned { value: claim, span } in &file.meaning.claims {
            let proof = decide(claim, cx.policy, cx.exposure, Some(&file.meaning));
            all.push(Decided { guardrail: Some(at), claim, span: *span, proof });
        }
    }
    all
}

/// A claim, by what it is called in every output.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claimed {
    /// The guardrail that claims it; none is the file itself.
    pub guardrail: Option<String>,
    /// What is claimed, in words.
    pub name: String,
    /// Whether the file has something that it speaks of: of what is not there, it says nothing.
    pub concerns: bool,
}

impl Claimed {
    /// What it is called.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.guardrail {
            None => format!("test \"{}\"", self.name),
            Some(guardrail) => format!("test \"{}\" of guardrail `{guardrail}`", self.name),
        }
    }
}

/// Every claim there is.
pub(super) fn claimed(cx: &Context<'_>) -> Vec<Claimed> {
    let mut all: Vec<_> = decided(cx).iter().map(|decided| decided.claimed(cx)).collect();
    all.sort();
    all
}

impl Decided<'_> {
    fn claimed(&self, cx: &Context<'_>) -> Claimed {
        Claimed {
            guardrail: self.guardrail.map(|at| cx.guardrails[at].name().to_owned()),
            name: self.claim.name.clone(),
            concerns: self.proof != Proof::NoTarget,
        }
    }

    /// What it is called.
    pub(super) fn title(&self, cx: &Context<'_>) -> String {
        self.claimed(cx).title()
    }

    /// Starts a finding: about a claim of the file at the claim, about one of a guardrail at the
    /// listener, for that is what its owner can change.
    pub(super) fn report<'r>(
        &self,
        cx: &Context<'_>,
        report: &'r mut Report<'_>,
        listener: &ListenerId,
        place: Span,
        what: &str,
    ) -> Finding<'r> {
        let title = self.title(cx);
        let message = format!("{title} {what}");
        let decides = format!("`{listener}` decides it here");
        let finding = match self.guardrail {
            None => report.at(listener, self.span, message).related(place, decides),
            Some(_) => report.at(listener, place, message).label(decides),
        };
        finding.claim(title)
    }
}

/// What a counterexample shows.
pub(super) fn shown(claim: &Claim, example: &Counterexample) -> String {
    let client = match example.origin {
        Origin::Host if example.client.is_loopback() => "a process of this host".to_owned(),
        Origin::Host => format!("a process of this host that takes {}", example.client),
        Origin::Elsewhere => example.client.to_string(),
    };
    let place = match (example.address, example.port) {
        (Some(address), Some(port)) => std::net::SocketAddr::new(address, port).to_string(),
        (None, Some(port)) => format!("port {port} of `{}`", example.listener),
        _ => format!("the path of `{}`", example.listener),
    };
    match claim.outcome {
        Outcome::Served => format!("for example, {client} is not served at {place}"),
        Outcome::Unreachable => format!("for example, {client} is served at {place}"),
        Outcome::Invisible => format!("for example, {client} gets a handshake at {place}"),
    }
}
