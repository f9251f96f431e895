//! Expected findings: those that a file foresees, with a reason, are set aside; an expectation that
//! nothing fulfils is a finding.

use std::collections::BTreeSet;

use super::{
    Check, Context, Group, Report, Suppressed, Verdict, approval::last_day, exception::Expected,
    rule, rules,
};
use crate::{
    diagnostic::{Diagnostic, Level},
    policy::governance::{GuardrailFile, standing},
};

/// Raises findings to the levels that guardrails set. None is lowered.
pub(crate) fn raise(findings: &mut [Diagnostic], guardrails: &[GuardrailFile]) {
    for finding in findings {
        let levels = guardrails.iter().filter_map(|file| file.meaning.levels.get(finding.code.0));
        finding.level = levels.copied().fold(finding.level, Level::max);
    }
}

/// Sets aside what is expected, and reports the expectations that nothing fulfils.
pub(super) fn settle(cx: &Context<'_>, verdict: &mut Verdict) {
    let mut settled = BTreeSet::new();
    for expected in cx.expectations() {
        // The second of two alike has a finding of its own.
        if !settled.insert((&expected.meaning.code, &expected.meaning.listener)) {
            continue;
        }
        // What is no rule, and what has ended, has a finding of its own.
        let Some(rule) = rule(&expected.meaning.code) else { continue };
        let holds = standing(&expected.meaning.expires, cx.today).holds();
        if !holds && !cx.runs_by_name(&expected.meaning.listener) {
            continue;
        }
        if let Some(why) = objection(cx, rule, verdict, expected) {
            report(verdict, expected, &why, "repair what is found, and remove the expectation");
            continue;
        }
        let is_meant = |finding: &Diagnostic| {
            finding.code.0 == rule.code
                && finding.listener.as_ref() == Some(&expected.meaning.listener)
        };
        let (meant, rest) = std::mem::take(&mut verdict.findings).into_iter().partition(is_meant);
        verdict.findings = rest;
        let meant: Vec<Diagnostic> = meant;
        let is_asked = |asked: &super::Unjudged| {
            asked.code.0 == rule.code && asked.listener == expected.meaning.listener
        };
        if meant.is_empty() && !verdict.unjudged.iter().any(is_asked) {
            let why = format!("{} finds nothing about this listener", rule.name);
            report(verdict, expected, &why, "remove it");
        }
        verdict.suppressed.extend(meant.into_iter().map(|finding| Suppressed {
            finding,
            span: expected.span,
            reason: expected.meaning.reason.clone(),
            owner: expected.meaning.owner.clone(),
            expires: last_day(&expected.meaning.expires),
        }));
    }
}

/// Why a finding of the rule cannot be expected away.
fn objection(
    cx: &Context<'_>,
    rule: &super::Rule,
    verdict: &Verdict,
    expected: Expected<'_>,
) -> Option<String> {
    if rule.group == Group::Governance || matches!(rule.check, Check::Settling) {
        return Some(format!("{} is about exceptions themselves", rule.name));
    }
    if matches!(rule.check, Check::Reading) {
        return Some("what cannot be read has no meaning that could be run".to_owned());
    }
    for (_, file) in cx.readable_guardrails() {
        let suppressions = &file.meaning.suppressions;
        let name = file.name();
        if !suppressions.allowed {
            return Some(format!("guardrail `{name}` allows no expectations"));
        }
        if suppressions.forbid_codes.contains(rule.code) {
            return Some(format!("guardrail `{name}` allows none of {}", rule.code));
        }
        if file.meaning.levels.get(rule.code) == Some(&Level::Forbid) {
            return Some(format!("guardrail `{name}` forbids what {} finds", rule.name));
        }
    }
    let is_forbidden = |finding: &&Diagnostic| {
        finding.code.0 == rule.code
            && finding.level == Level::Forbid
            && finding.listener.as_ref() == Some(&expected.meaning.listener)
    };
    let is_forbidden =
        rule.level == Level::Forbid || verdict.findings.iter().any(|one| is_forbidden(&one));
    is_forbidden.then(|| format!("no service file may allow itself what {} finds", rule.name))
}

fn report(verdict: &mut Verdict, expected: Expected<'_>, why: &str, help: &str) {
    let meaning = expected.meaning;
    let message = format!(
        "the expectation of {} for `{}` sets nothing aside",
        meaning.code, meaning.listener
    );
    Report { rule: rules::UNFULFILLED_EXPECT, verdict }
        .of_file(expected.at(|entry| &entry.code), message)
        .listener(&meaning.listener)
        .label(why)
        .help(help);
}
