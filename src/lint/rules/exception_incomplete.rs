//! PC1113 `exception-incomplete`. The page is `exception_incomplete.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule},
    policy::{
        Expiry,
        governance::{GuardrailFile, Key},
    },
    source::Span,
};

pub(super) static RULE: Rule = Rule {
    code: "PC1113",
    name: "exception-incomplete",
    group: Group::Governance,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("exception_incomplete.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    grants(cx, report);
    for (_, file) in cx.readable_guardrails() {
        signatures(cx, report, file);
        expectations(cx, report, file);
    }
}

fn grants(cx: &Context<'_>, report: &mut Report<'_>) {
    for held in cx.grants() {
        let (grant, terms) = (held.grant, &held.file.meaning.terms);
        let missing = terms.require.iter().filter(|key| match key {
            Key::Reason => grant.reason.is_none(),
            Key::Owner => grant.owner.is_none(),
            Key::Ticket => grant.ticket.is_none(),
            Key::Expires => grant.expires == Expiry::Never,
            Key::ApprovedBy => grant.approved_by.is_none(),
            Key::ApprovedOn => grant.approved_on.is_none(),
            Key::Grant => false,
        });
        if let Some((keys, add)) = listed(missing) {
            report
                .of_guardrail(held.guardrail, held.span, format!("grant {} has no {keys}", held.id))
                .listener(&grant.listener)
                .help(add);
        }
        if let Some(ticket) = unfit(held.file, grant.ticket.as_deref()) {
            let message = format!("the ticket of grant {} does not look like one", held.id);
            report
                .of_guardrail(held.guardrail, held.at(|grant| &grant.ticket), message)
                .listener(&grant.listener)
                .help(ticket);
        }
    }
}

fn signatures(cx: &Context<'_>, report: &mut Report<'_>, file: &GuardrailFile) {
    let demands = format!("guardrail `{}` demands it of every exception", file.name());
    for (listener, allow) in cx.signed() {
        let wrote = cx.wrote(&listener.id);
        let missing = file.meaning.terms.require.iter().filter(|key| match key {
            Key::Owner => allow.owner.is_none(),
            Key::Ticket => allow.ticket.is_none(),
            Key::Expires => allow.expires == Expiry::Never,
            Key::Grant => allow.grant.is_none(),
            // A reason there always is, and an approval is the grant's.
            Key::Reason | Key::ApprovedBy | Key::ApprovedOn => false,
        });
        if let Some((keys, add)) = listed(missing) {
            let message = format!("the `allow` of `{}` has no {keys}", listener.id);
            report.at(&listener.id, wrote.allow(), message).note(demands.clone()).help(add);
        }
        if let Some(ticket) = unfit(file, allow.ticket.as_deref()) {
            let message = format!("the ticket of `{}` does not look like one", listener.id);
            report
                .at(&listener.id, wrote.ticket(), message)
                .note(format!("guardrail `{}` says what one looks like", file.name()))
                .help(ticket);
        }
    }
}

fn expectations(cx: &Context<'_>, report: &mut Report<'_>, file: &GuardrailFile) {
    for expected in cx.expectations() {
        let meaning = expected.meaning;
        let missing = file.meaning.suppressions.require.iter().filter(|key| match key {
            Key::Owner => meaning.owner.is_none(),
            Key::Expires => meaning.expires == Expiry::Never,
            Key::Reason | Key::Ticket | Key::Grant | Key::ApprovedBy | Key::ApprovedOn => false,
        });
        if let Some((keys, add)) = listed(missing) {
            let span: Span = expected.span;
            let message = format!(
                "the expectation of {} for `{}` has no {keys}",
                meaning.code, meaning.listener
            );
            report
                .of_file(span, message)
                .listener(&meaning.listener)
                .note(format!("guardrail `{}` demands it of every expectation", file.name()))
                .help(add);
        }
    }
}

/// The keys that are missing, in words after "has no", and what to do about them.
fn listed<'k>(missing: impl Iterator<Item = &'k Key>) -> Option<(String, String)> {
    let keys: Vec<_> = missing.map(|key| format!("`{}`", key.word())).collect();
    let add = format!("add {}", keys.join(", "));
    (!keys.is_empty()).then(|| (keys.join(", no "), add))
}

/// What a ticket should look like that does not.
fn unfit(file: &GuardrailFile, ticket: Option<&str>) -> Option<String> {
    let pattern = file.meaning.terms.ticket_pattern.as_ref()?;
    ticket
        .filter(|ticket| !pattern.fits(ticket))
        .map(|_| format!("write a ticket that `{pattern}` matches"))
}
