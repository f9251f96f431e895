//! PC1110 `unknown-code`. The page is `unknown_code.md`.

use crate::{
    config::{Each, Field, Spanned},
    diagnostic::Level,
    lint::{ALL, Check, Context, Group, Report, Rule},
    source::Span,
};

pub(super) static RULE: Rule = Rule {
    code: "PC1110",
    name: "unknown-code",
    group: Group::Governance,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("unknown_code.md"),
    check: Check::Lint(check),
};

/// How many letters a code or name may be off to be taken for another.
const CLOSE: usize = 2;

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for expected in cx.expectations().iter().filter(|one| !is_known(&one.meaning.code)) {
        let (code, listener) = (&expected.meaning.code, &expected.meaning.listener);
        report
            .of_file(expected.at(|entry| &entry.code), message(code))
            .listener(listener)
            .help(cure(code));
    }
    for (at, file) in cx.guardrails.iter().enumerate() {
        let lints = file.written.lints.get();
        let lists = lints.map(|lints| [&lints.forbid, &lints.error, &lints.warn]);
        let forbidden = file.written.suppressions.get().map(|all| &all.forbid_codes);
        for (code, span) in lists.into_iter().flatten().chain(forbidden).flat_map(words) {
            if !is_known(code) {
                report.of_guardrail(at, span, message(code)).help(cure(code));
            }
        }
    }
}

fn words(list: &Field<Each<Spanned<String>>>) -> impl Iterator<Item = (&str, Span)> {
    list.get().into_iter().flatten().map(|word| (word.value.as_str(), word.span))
}

fn is_known(code: &str) -> bool {
    crate::lint::rule(code).is_some()
}

fn message(code: &str) -> String {
    format!("there is no rule `{code}`")
}

fn cure(code: &str) -> String {
    let lower = code.to_ascii_lowercase();
    if let Some(rule) =
        ALL.iter().find(|rule| rule.name == lower || rule.code.eq_ignore_ascii_case(code))
    {
        return format!("write its code, `{}`", rule.code);
    }
    let distance = |rule: &&&Rule| {
        strsim::damerau_levenshtein(&lower, rule.name)
            .min(strsim::damerau_levenshtein(&code.to_ascii_uppercase(), rule.code))
    };
    // A long word is near to nothing, and costs time.
    let near = ALL.iter().filter(|_| code.len() <= 64).min_by_key(distance);
    match near.filter(|rule| distance(rule) <= CLOSE) {
        Some(rule) => format!(
            "did you mean `{}`, {}? `portcullis explain` lists them all",
            rule.code, rule.name
        ),
        None => "write a code that `portcullis explain` lists".to_owned(),
    }
}
