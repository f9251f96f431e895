//! The rules: what a file may say and still be wrong. A rule looks, and cannot do anything else.

mod approval;
mod assertion;
mod behind;
mod claims;
mod exception;
mod expectation;
mod meetings;
mod rules;
mod served;
mod signature;
mod transition;
mod wrote;

use crate::{
    address::Date,
    config::Config,
    diagnostic::{Code, Diagnostic, Label, Level},
    exposure::{Exposure, leave::Leaves},
    facts::Facts,
    plan::{Conflict, Plan},
    policy::{
        Expose, Listener, ListenerId, Policy, Side, governance::GuardrailFile, resolve::Claims,
    },
    source::Span,
};

/// Every rule, in ascending order of code.
pub use rules::ALL;

pub use approval::Approval;
pub use claims::Claimed;
pub(crate) use expectation::raise;

use wrote::Wrote;

/// One rule: a value in a file of its own, with its page beside it.
#[derive(Debug)]
pub struct Rule {
    /// Its permanent code.
    pub code: &'static str,
    /// Its name, which reads after "allow".
    pub name: &'static str,
    /// What it is about.
    pub group: Group,
    /// What its findings weigh.
    pub level: Level,
    /// The version that brought it.
    pub since: &'static str,
    /// What it does, why, and what to write instead, as Markdown.
    pub page: &'static str,
    /// Who looks.
    pub check: Check,
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// How the file is written.
    Syntax,
    /// Who can reach a listener.
    Exposure,
    /// Which addresses it binds.
    Address,
    /// Which ports it binds.
    Port,
    /// IPv4 beside IPv6.
    Family,
    /// Where its connections go.
    Backend,
    /// Whether they come back.
    Loop,
    /// Bounds on them.
    Limits,
    /// Permissions of the host.
    Host,
    /// What a reviewer needs to read.
    Hygiene,
    /// Exceptions, and who answers for them.
    Governance,
    /// What the file claims of itself.
    Tests,
}

impl Group {
    /// The word for it in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Exposure => "exposure",
            Self::Address => "address",
            Self::Port => "port",
            Self::Family => "family",
            Self::Backend => "backend",
            Self::Loop => "loop",
            Self::Limits => "limits",
            Self::Host => "host",
            Self::Hygiene => "hygiene",
            Self::Governance => "governance",
            Self::Tests => "tests",
        }
    }
}

/// Who looks for a rule's findings.
#[derive(Debug)]
pub enum Check {
    /// `config` or `policy`, while they read: what cannot be read has no meaning to look at.
    Reading,
    /// This function, once the meaning is known.
    Lint(fn(&Context<'_>, &mut Report<'_>)),
    /// [`check`], once every other rule has looked: it holds the findings against what is expected.
    Settling,
}

/// All that a rule may look at. It decides on the meaning and points at what was written.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// What was written: for the place to point at, and for whether a thing was written at all.
    pub config: &'a Config,
    /// What it means.
    pub policy: &'a Policy,
    /// What the kernel will accept.
    pub exposure: &'a Exposure,
    /// What the file claims of itself.
    pub claims: &'a Claims,
    /// The limits that others set.
    pub guardrails: &'a [GuardrailFile],
    /// What those limits let pass.
    pub leaves: &'a Leaves<'a>,
    /// What runs, when a change of it is judged.
    pub running: Option<&'a Policy>,
    /// The host it is to run on, when that is known.
    pub host: Option<Host<'a>>,
    /// The day, UTC, on which signatures are held against their expiry.
    pub today: Date,
    /// Whether port 0, a port of the kernel's choice, is wanted: only tests do.
    pub allow_port_zero: bool,
}

/// The host a file is to run on.
#[derive(Debug, Clone, Copy)]
pub struct Host<'a> {
    /// Its addresses and limits.
    pub facts: &'a Facts,
    /// The sockets that the file comes to on it, or what stands in their way.
    pub plan: Result<&'a Plan, &'a [Conflict]>,
}

/// What the rules have to say of a file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What is wrong, by position.
    pub findings: Vec<Diagnostic>,
    /// What is wrong with each of the guardrails, by position.
    pub of_guardrails: Vec<Vec<Diagnostic>>,
    /// What is wrong and was expected to be.
    pub suppressed: Vec<Suppressed>,
    /// What a guardrail has granted.
    pub approvals: Vec<Approval>,
    /// What is claimed, by the file and by guardrails, and whether there was anything to prove.
    pub claims: Vec<Claimed>,
    /// What could not be judged without the host.
    pub unjudged: Vec<Unjudged>,
}

/// A finding that the file expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppressed {
    /// What is wrong.
    pub finding: Diagnostic,
    /// Where the file expects it.
    pub span: Span,
    /// Why it is meant to be so.
    pub reason: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// The last day on which it is; `None` is no end.
    pub expires: Option<Date>,
}

/// A question that only the host can answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unjudged {
    /// The rule that asks.
    pub code: Code,
    /// The listener it asks about.
    pub listener: String,
    /// What it asks, in one phrase.
    pub question: String,
}

/// Where a rule says what it found.
#[derive(Debug)]
pub struct Report<'r> {
    rule: &'static Rule,
    verdict: &'r mut Verdict,
}

/// A finding that is being written.
#[derive(Debug)]
pub struct Finding<'r>(&'r mut Diagnostic);

/// Lets every rule look.
#[must_use]
pub fn check(cx: &Context<'_>) -> Verdict {
    let of_guardrails = vec![Vec::new(); cx.guardrails.len()];
    let mut verdict = Verdict { of_guardrails, ..Verdict::default() };
    for rule in ALL {
        if let Check::Lint(look) = rule.check {
            look(cx, &mut Report { rule, verdict: &mut verdict });
        }
    }
    raise(&mut verdict.findings, cx.guardrails);
    expectation::settle(cx, &mut verdict);
    verdict.approvals = approval::approvals(cx);
    verdict.claims = claims::claimed(cx);
    crate::diagnostic::sort(&mut verdict.findings);
    verdict.of_guardrails.iter_mut().for_each(|findings| crate::diagnostic::sort(findings));
    verdict.unjudged.sort();
    verdict
}

/// The rule of this code.
#[must_use]
pub fn rule(code: &str) -> Option<&'static Rule> {
    let at = ALL.binary_search_by(|rule| rule.code.cmp(code)).ok()?;
    Some(ALL[at])
}

impl<'a> Context<'a> {
    /// Where the listener's words stand.
    fn wrote(&self, listener: &ListenerId) -> Wrote<'a> {
        Wrote::new(self.config, listener)
    }

    /// What stands in the way on this host; nothing where the host is not known.
    fn conflicts(&self) -> &'a [Conflict] {
        self.host.and_then(|host| host.plan.err()).unwrap_or_default()
    }

    /// Every listener's sides over IP, in order.
    fn sides(&self) -> impl Iterator<Item = (&'a Listener, &'a Side)> {
        self.policy.listeners.values().flat_map(|listener| {
            let sides = match &listener.expose {
                Expose::Ip(sides) => sides.as_slice(),
                Expose::Unix(_) => &[],
            };
            sides.iter().map(|side| (&**listener, side))
        })
    }
}

impl Report<'_> {
    /// Starts a finding about a listener at the place that is at fault.
    pub fn at(
        &mut self,
        listener: &ListenerId,
        span: Span,
        message: impl Into<String>,
    ) -> Finding<'_> {
        let finding = self.of_file(span, message);
        finding.0.listener = Some(listener.to_string());
        finding
    }

    /// Starts a finding that is about no listener.
    pub fn of_file(&mut self, span: Span, message: impl Into<String>) -> Finding<'_> {
        Self::start(self.rule, &mut self.verdict.findings, span, message)
    }

    /// Starts a finding at a place in a guardrail, by its place among those that were given.
    pub fn of_guardrail(
        &mut self,
        guardrail: usize,
        span: Span,
        message: impl Into<String>,
    ) -> Finding<'_> {
        Self::start(self.rule, &mut self.verdict.of_guardrails[guardrail], span, message)
    }

    fn start<'f>(
        rule: &Rule,
        findings: &'f mut Vec<Diagnostic>,
        span: Span,
        message: impl Into<String>,
    ) -> Finding<'f> {
        findings.push(Diagnostic::error(Code(rule.code), span, message).level(rule.level));
        Finding(findings.last_mut().expect("one was just pushed"))
    }

    /// Notes what this rule would have to know of the host to judge the listener.
    pub fn only_the_host_knows(&mut self, listener: &ListenerId, question: impl Into<String>) {
        self.verdict.unjudged.push(Unjudged {
            code: Code(self.rule.code),
            listener: listener.to_string(),
            question: question.into(),
        });
    }
}

impl Finding<'_> {
    /// About this listener.
    pub fn listener(self, listener: &str) -> Self {
        self.0.listener = Some(listener.to_owned());
        self
    }

    /// About this claim.
    pub fn claim(self, claim: String) -> Self {
        self.0.claim = Some(claim);
        self
    }

    /// With another weight than its rule's, which is the most that a finding of it can have.
    pub fn level(self, level: Level) -> Self {
        self.0.level = level;
        self
    }

    /// With words beside the underlined place.
    pub fn label(self, text: impl Into<String>) -> Self {
        self.0.primary.text = text.into();
        self
    }

    /// With another place that matters.
    pub fn related(self, span: Span, text: impl Into<String>) -> Self {
        self.0.related.push(Label { span, text: text.into() });
        self
    }

    /// With a cure.
    pub fn help(self, text: impl Into<String>) -> Self {
        self.0.help.push(text.into());
        self
    }

    /// With a fact that explains it.
    pub fn note(self, text: impl Into<String>) -> Self {
        self.0.notes.push(text.into());
        self
    }
}
