//! The one way in for a configuration: bytes to findings, policy and plan.

pub mod fix;
pub mod fleet;

use crate::{
    address::Date,
    config::{
        self, Config, MAX_FINDINGS,
        code::{LIMIT_EXCEEDED, YAML_SYNTAX},
    },
    diagnostic::{self, Diagnostic},
    exposure::{Exposure, leave::Leaves},
    facts::Facts,
    lint::{self, Approval, Claimed, Context, Host, Suppressed, Unjudged},
    plan::{self, Plan},
    policy::{self, Policy, Runtime, governance::GuardrailFile},
    source::{MAX_BYTES, Problem, Source, Unreadable},
};

/// What a file is judged against, besides itself.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The host, where it is known. Without it the check is static and says what it could not
    /// judge.
    pub facts: Option<&'a Facts>,
    /// The limits that others set; each has to be satisfied. See [`guardrail`].
    pub guardrails: &'a [GuardrailFile],
    /// What runs, when a change of it is judged: an exception that has ended since does not refuse
    /// it.
    pub running: Option<&'a Policy>,
    /// The day, UTC, on which signatures are held against their expiry.
    pub today: Date,
    /// Whether port 0 may be asked for: only tests do.
    pub allow_port_zero: bool,
}

/// What became of a file.
#[derive(Debug, Default)]
pub struct Compiled {
    /// Everything that is wrong with it, by position.
    pub findings: Vec<Diagnostic>,
    /// Everything that is wrong with each of the guardrails, by position: in itself, and beside
    /// this file.
    pub of_guardrails: Vec<Vec<Diagnostic>>,
    /// What is wrong with it and was expected to be.
    pub suppressed: Vec<Suppressed>,
    /// Which grant of which guardrail lets what pass.
    pub approvals: Vec<Approval>,
    /// What is claimed, by the file and by guardrails.
    pub claims: Vec<Claimed>,
    /// What only the host can answer, when it was not given.
    pub unjudged: Vec<Unjudged>,
    /// The names of its listeners, as far as they could be read, in the order of the file.
    pub listeners: Vec<String>,
    /// What it means; present unless a finding refuses the file.
    pub policy: Option<Policy>,
    /// The sockets it comes to; present when the policy is and the host was given.
    pub plan: Option<Plan>,
}

/// What a file says, whether or not the rules would let it run.
#[derive(Debug)]
pub struct Reading {
    /// What was written.
    pub config: Config,
    /// What it means.
    pub policy: Policy,
}

/// Reads a file to compare or show it: a file that breaks a rule has a meaning all the same, and
/// that is what a reviewer has to see.
///
/// # Errors
/// The findings for which the file has no meaning.
pub fn read(source: &Source) -> Result<Reading, Vec<Diagnostic>> {
    let (config, mut findings) = config::parse(source);
    let Some(config) = config else { return Err(findings) };
    let (policy, unresolved) = policy::resolve::resolve(&config);
    findings.extend(unresolved);
    if findings.iter().any(|finding| finding.level.refuses()) {
        diagnostic::sort(&mut findings);
        bound(&mut findings);
        return Err(findings);
    }
    Ok(Reading { config, policy })
}

/// What a file says of the process, as far as it can be read; the rest of it is not looked at.
#[must_use]
pub fn runtime(shown: &str, bytes: &[u8]) -> Runtime {
    let source = Source::from_bytes(shown, bytes).ok();
    let config = source.and_then(|source| config::parse(&source).0);
    config.map_or_else(Runtime::default, |config| policy::resolve::runtime(&config))
}

/// Judges a file.
#[must_use]
pub fn compile(source: &Source, given: &Given<'_>) -> Compiled {
    let (config, mut findings) = config::parse(source);
    let Some(config) = config else {
        let of_guardrails = given.guardrails.iter().map(|file| file.findings.clone()).collect();
        return Compiled { findings, of_guardrails, ..Compiled::default() };
    };
    let (policy, unresolved) = policy::resolve::resolve(&config);
    findings.extend(unresolved);
    let (claims, unresolved) = policy::resolve::claims(&config);
    findings.extend(unresolved);
    let plan = given.facts.map(|facts| plan::build::build(&policy, facts));
    let host = given
        .facts
        .zip(plan.as_ref())
        .map(|(facts, plan)| Host { facts, plan: plan.as_ref().map_err(Vec::as_slice) });
    let exposure = match host {
        Some(host) => Exposure::on(&policy, host.facts, host.plan.ok()),
        None => Exposure::of(&policy),
    };
    let leaves = Leaves::of(&policy, &exposure, given.guardrails, given.today);
    let verdict = lint::check(&Context {
        config: &config,
        policy: &policy,
        exposure: &exposure,
        claims: &claims,
        guardrails: given.guardrails,
        leaves: &leaves,
        running: given.running,
        host,
        today: given.today,
        allow_port_zero: given.allow_port_zero,
    });
    findings.extend(verdict.findings);
    lint::raise(&mut findings, given.guardrails);
    diagnostic::sort(&mut findings);
    // Both sides of a listener can fail for one reason at one place.
    findings.dedup();
    let mut of_guardrails = verdict.of_guardrails;
    for (findings, file) in of_guardrails.iter_mut().zip(given.guardrails) {
        findings.extend(file.findings.iter().cloned());
        diagnostic::sort(findings);
    }
    let listeners = config.listeners.iter().map(|entry| entry.name.value.clone()).collect();
    let possible = !matches!(plan, Some(Err(_)));
    let mut all = findings.iter().chain(of_guardrails.iter().flatten());
    let fit = possible && !all.any(|finding| finding.level.refuses());
    bound(&mut findings);
    Compiled {
        findings,
        of_guardrails,
        suppressed: verdict.suppressed,
        approvals: verdict.approvals,
        claims: verdict.claims,
        unjudged: verdict.unjudged,
        listeners,
        policy: fit.then_some(policy),
        plan: plan.and_then(Result::ok).filter(|_| fit),
    }
}

/// Reads a guardrail, which is one whatever is wrong with it: a wrong one refuses every file.
#[must_use]
pub fn guardrail(path: &str, bytes: &[u8]) -> GuardrailFile {
    match Source::from_bytes(path, bytes) {
        Ok(source) => GuardrailFile::read(source),
        Err(problem) => {
            let finding = unreadable(&problem);
            GuardrailFile::unreadable(problem.shown, finding)
        }
    }
}

/// Keeps the first [`MAX_FINDINGS`], and says that there are more: nobody reads them, and a hostile
/// file could cause as many as it has bytes.
fn bound(findings: &mut Vec<Diagnostic>) {
    if let Some(more) = findings.get(MAX_FINDINGS) {
        let message = format!("more than {MAX_FINDINGS} findings, the others are left out");
        let rest = Diagnostic::error(LIMIT_EXCEEDED, more.primary.span, message);
        findings.truncate(MAX_FINDINGS);
        findings.push(rest.help("repair the ones that are shown first"));
    }
}

/// Judges the bytes of the file called `shown`. Bytes that are no text have one finding, in the
/// [`Source`] that stands in for them.
#[must_use]
pub fn compile_bytes(shown: &str, bytes: &[u8], given: &Given<'_>) -> (Source, Compiled) {
    read_bytes(shown, bytes, |source| compile(source, given))
}

/// The same, judged in another way.
pub fn read_bytes(
    shown: &str,
    bytes: &[u8],
    compile: impl FnOnce(&Source) -> Compiled,
) -> (Source, Compiled) {
    match Source::from_bytes(shown, bytes) {
        Ok(source) => {
            let compiled = compile(&source);
            (source, compiled)
        }
        Err(problem) => {
            let findings = vec![unreadable(&problem)];
            (problem.shown, Compiled { findings, ..Compiled::default() })
        }
    }
}

/// The finding for bytes that are no text.
#[must_use]
pub fn unreadable(problem: &Unreadable) -> Diagnostic {
    let (code, message, help) = match problem.problem {
        Problem::TooLarge => (
            LIMIT_EXCEEDED,
            format!("the file is larger than {} MiB", MAX_BYTES / (1024 * 1024)),
            "check that this is the file you mean",
        ),
        Problem::NotUtf8 => {
            (YAML_SYNTAX, "the file is not UTF-8 from here on".to_owned(), "save the file as UTF-8")
        }
        Problem::Nul => {
            (YAML_SYNTAX, "the file contains a NUL byte".to_owned(), "remove it; text has none")
        }
    };
    Diagnostic::error(code, problem.span, message).help(help)
}
