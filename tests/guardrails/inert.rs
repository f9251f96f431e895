//! What sets findings aside, weighs them or writes them changes what is said of a file, never what
//! the file exposes: a law, tried on random files.

use portcullis::{
    compile,
    exposure::{Exposure, reach::Reach},
    policy::{Policy, claim::Assume},
    source::Source,
};
use proptest::prelude::*;

use super::Case;
use crate::support::services::services;

/// Codes that such files have findings of, one that they have none of, and one that is none.
const CODES: [&str; 9] =
    ["PC0101", "PC0102", "PC0104", "PC0109", "PC0601", "PC0803", "PC1108", "PC0203", "PC9999"];

/// Suppressions of all kinds, for listeners that there are and that there are not.
fn expectations() -> impl Strategy<Value = String> {
    let expires = prop::sample::select(&["2030-01-01", "2020-01-01", "no day"][..]);
    let one = (prop::sample::select(&CODES[..]), "[a-d]", expires).prop_map(
        |(code, listener, expires)| {
            format!("  - {{ code: {code}, listener: {listener}, reason: a test, expires: \"{expires}\" }}\n")
        },
    );
    prop::collection::vec(one, 1..6).prop_map(|all| format!("expect:\n{}", all.concat()))
}

/// A guardrail that only weighs findings and bounds suppressions.
fn weights() -> impl Strategy<Value = String> {
    let level = prop::sample::select(&["warn", "error", "forbid"][..]);
    let suppressions = prop::sample::select(&["", "suppressions: { allowed: false }\n"][..]);
    (prop::sample::select(&CODES[..8]), level, suppressions).prop_map(|(code, level, more)| {
        format!(
            "portcullis_guardrails: 1\nname: a\nmay_expose: [loopback, private, shared, public, any]\nlints: {{ {level}: [{code}] }}\n{more}"
        )
    })
}

/// Who can reach what, in full.
fn exposed(policy: &Policy, assume: Assume) -> String {
    format!("{:#?}", Reach::of(policy, &Exposure::of(policy), assume))
}

fn meaning(text: &str) -> Policy {
    let source = Source::from_bytes("portcullis.yaml", text.as_bytes()).unwrap();
    compile::read(&source).unwrap_or_else(|findings| panic!("{findings:#?}\n{text}")).policy
}

proptest! {
    /// P8, and of P7 that no set grows.
    #[test]
    fn what_is_said_of_a_file_does_not_change_what_it_exposes(
        service in services(),
        expect in expectations(),
        weights in weights(),
    ) {
        let expecting = format!("{service}{expect}");
        for assume in [Assume::All, Assume::None] {
            let (plain, set_aside) = (meaning(&service), meaning(&expecting));
            prop_assert_eq!(exposed(&plain, assume), exposed(&set_aside, assume));
        }
        let (plain, set_aside, weighed) = (
            Case::of(&[], &service),
            Case::of(&[], &expecting),
            Case::of(&[&weights], &expecting),
        );
        // What is wrong is set aside or reported, and nothing else is lost.
        let wrong = |case: &Case| {
            let aside = case.compiled.suppressed.iter().map(|one| &one.finding);
            let all = case.compiled.findings.iter().chain(aside);
            let of_rules = all.filter(|finding| !finding.code.0.starts_with("PC11") || finding.code.0 == "PC1108");
            of_rules.map(|finding| (finding.code, finding.primary.span)).collect::<std::collections::BTreeSet<_>>()
        };
        prop_assert_eq!(wrong(&plain), wrong(&set_aside));
        let policies = [&plain, &set_aside, &weighed].map(|case| case.compiled.policy.as_ref());
        for pair in policies.iter().flatten().collect::<Vec<_>>().windows(2) {
            prop_assert_eq!(exposed(pair[0], Assume::All), exposed(pair[1], Assume::All));
        }
    }
}
