//! A difference under guardrails: who granted what, and what changed in who may approve.

use std::fs;

use super::beside;
use crate::support::program::Ended;

const OLD: &str = "portcullis: 1
service: billing-edge
listeners:
  db:
    expose: { private: { address: 10.20.0.1 } }
    port: 5432
    forward: 10.20.9.9:5432
";

const NEW: &str = "portcullis: 1
service: billing-edge
listeners:
  db:
    expose: { v4: { public: { address: 8.8.4.4 } }, v6: none }
    port: 5432
    forward: 10.20.9.9:5432
    allow: { reason: work from home, expires: 2027-01-31 }
";

const GUARDRAIL: &str = "portcullis_guardrails: 1
name: acme-edge
may_expose: [loopback, private]
exceptions:
  max_days: 180
  grants:
    - { id: EXC-1, service: billing-edge, listener: db, expires: 2027-01-31,
        approved_by: security@example.com, approved_on: 2026-11-01,
        box: { classes: [public], families: [v4], protocol: tcp, ports: [5432], clients: any,
               upstreams: [\"10.20.9.9:5432\"] } }
tests:
  - { name: no port 22, from: all, to: { group: shell }, expect: unreachable }
";

fn run(command: &str, files: [&str; 3], more: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in ["old.yaml", "new.yaml", "guardrail.yaml"].iter().zip(files) {
        fs::write(folder.path().join(name), text).unwrap();
    }
    fs::write(folder.path().join("before.yaml"), GUARDRAIL).unwrap();
    let mut arguments = vec![command, "--now", "2026-11-22", "--guardrails", "guardrail.yaml"];
    arguments.extend(more);
    beside(folder.path(), &arguments)
}

fn diff(old: &str, new: &str, guardrail: &str) -> Ended {
    run("diff", [old, new, guardrail], &["old.yaml", "new.yaml"])
}

#[test]
fn what_is_granted_by_somebody_who_is_named_passes() {
    let ended = diff(OLD, NEW, GUARDRAIL);
    let said = "by grant EXC-1, through 2027-01-31, approved by security@example.com";
    assert!(ended.out.contains(said), "{}", ended.out);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{}", ended.out);
}

#[test]
fn a_grant_that_does_not_hold_all_of_it_approves_nothing() {
    for (new, guardrail, said) in [
        (NEW, GUARDRAIL.replace("[5432]", "[5433]"), "outside the nearest, EXC-1: port 5432"),
        (
            NEW,
            GUARDRAIL.replace("2027-01-31", "2026-11-21"),
            "EXC-1 of guardrail `acme-edge` ended",
        ),
        (NEW, GUARDRAIL.replace("2026-11-01", "2026-12-01"), "has not begun yet"),
        (
            NEW,
            GUARDRAIL.replace("approved_by: security@example.com, ", ""),
            "which counts as no approval: it has no `approved_by`",
        ),
        (&*NEW.replace("    allow:", "#"), GUARDRAIL.to_owned(), "not by the file itself"),
        (&*NEW.replace("billing-edge", "other"), GUARDRAIL.to_owned(), "this service has none"),
    ] {
        let ended = diff(OLD, new, &guardrail);
        assert!(ended.out.contains(said) && !ended.out.contains("self-approved"), "{}", ended.out);
        assert_eq!(ended.code, Some(1), "{}", ended.out);
    }
}

#[test]
fn what_needs_no_grant_is_a_widening_that_nobody_granted() {
    let new = OLD.replace("port: 5432", "ports: [5432, 5433]");
    let ended = diff(OLD, &new, GUARDRAIL);
    assert!(ended.out.contains("guardrail `acme-edge` wants no grant for `private`"));
    assert_eq!(ended.code, Some(1), "{}", ended.out);
}

#[test]
fn whoever_is_only_turned_away_needs_not_be_in_the_box() {
    let new = NEW.replace("    port", "    clients: { allow: [1.1.1.0/24] }\n    port");
    let guardrail = GUARDRAIL.replace("clients: any", "clients: [1.1.1.0/24]");
    assert_eq!(diff(OLD, &new, &guardrail).code, Some(0));
    assert_eq!(diff(OLD, NEW, &guardrail).code, Some(1));
}

#[test]
fn a_guardrail_that_is_wrong_judges_nothing() {
    let ended = diff(OLD, NEW, &GUARDRAIL.replace("max_days: 180", "max_days: soon"));
    assert_eq!((ended.code, ended.out.as_str()), (Some(3), ""));
    assert!(ended.err.contains("cannot judge by `guardrail.yaml`"), "{}", ended.err);
}

/// The lines of the section about who may approve what.
fn governance(ended: &Ended) -> Vec<&str> {
    ended.out.lines().filter_map(|line| line.strip_prefix("GOVERNANCE  ")).collect()
}

#[test]
fn what_changes_in_the_claims_of_a_service_is_listed() {
    let old = format!(
        "{OLD}    allow: {{ reason: known, expires: 2026-12-01 }}
owner: team-a
tests:
  - {{ name: kept, from: public, to: {{ listener: db }}, expect: unreachable }}
  - {{ name: narrowed, from: [10.0.0.0/8], to: {{ listener: db }}, expect: served }}
  - {{ name: dropped, from: [fd00::/8], to: {{ listener: db }}, expect: unreachable }}
expect:
  - {{ code: PC0301, listener: db, reason: known, expires: 2026-12-31 }}
"
    );
    let new = old
        .replace("2026-12-01", "2027-12-01")
        .replace("team-a", "team-b")
        .replace("name: kept, from: public", "name: renamed, from: [public, shared]")
        .replace("[10.0.0.0/8]", "[10.0.0.0/9]")
        .replace(
            "  - { name: dropped, from: [fd00::/8], to: { listener: db }, expect: unreachable }\n",
            "",
        )
        .replace("PC0301", "PC0602");
    let ended = diff(&old, &new, GUARDRAIL);
    assert_eq!(
        governance(&ended),
        [
            "owner team-a → team-b",
            "`allow` of db extended: through 2026-12-01 → through 2027-12-01",
            "`expect` of PC0602 for db added, through 2026-12-31: known",
            "test \"narrowed\" weakened: it says nothing more of 10.128.0.0/9",
            "test \"dropped\" removed",
            "`expect` of PC0301 for db removed",
            "test \"renamed\" added",
        ]
    );
    assert_eq!(ended.code, Some(1));
    // The other way round some of it is stricter, and some is not.
    assert!(
        governance(&diff(&new, &old, GUARDRAIL))
            .contains(&"`allow` of db shortened: through 2027-12-01 → through 2026-12-01")
    );
}

#[test]
fn a_test_that_falls_back_on_assumptions_is_weakened() {
    let test = |assume: &str| {
        format!(
            "{OLD}tests:\n  - {{ name: one, from: public, to: {{ listener: db }}, expect: unreachable{assume} }}\n"
        )
    };
    let (wary, trusting) = (test(", assume: none"), test(""));
    let ended = diff(&wary, &trusting, GUARDRAIL);
    assert_eq!(governance(&ended), ["test \"one\" weakened: it rests on assumptions"]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(diff(&trusting, &wary, GUARDRAIL).code, Some(0));
}

#[test]
fn what_only_tightens_needs_no_approval() {
    let old = format!(
        "{OLD}expect:\n  - {{ code: PC0301, listener: db, reason: known, expires: 2026-12-31 }}\n"
    );
    let ended = diff(&old, OLD, GUARDRAIL);
    assert_eq!(governance(&ended), ["`expect` of PC0301 for db removed"]);
    assert_eq!(ended.code, Some(0), "{}", ended.out);
}

#[test]
fn what_changes_in_the_limits_is_listed_where_both_sides_are_given() {
    let looser = GUARDRAIL
        .replace("[loopback, private]", "[loopback, private, shared]")
        .replace("max_days: 180", "max_days: 400")
        .replace("expires: 2027-01-31", "expires: 2027-09-30")
        .replace("clients: any", "clients: [1.0.0.0/8]")
        .replace("from: all", "from: public");
    let more = ["--old-guardrails", "before.yaml", "old.yaml", "new.yaml"];
    let ended = run("diff", [OLD, OLD, &looser], &more);
    assert_eq!(
        governance(&ended),
        [
            "guardrail acme-edge: may_expose: shared added",
            "guardrail acme-edge: exceptions.max_days 180 → 400",
            "guardrail acme-edge: grant EXC-1: its box changed",
            "guardrail acme-edge: grant EXC-1 extended: through 2027-01-31 → through 2027-09-30",
            "guardrail acme-edge: test \"no port 22\" weakened: it says nothing more of 0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10 and 143 more",
        ]
    );
    assert_eq!(ended.code, Some(1));
    let same = run("diff", [OLD, OLD, GUARDRAIL], &more);
    assert_eq!((same.code, governance(&same)), (Some(0), vec![]));
}

#[test]
fn the_table_marks_what_no_grant_holds() {
    let show = |new: &str, guardrail: &str, more: &[&str]| {
        let ended = run("show", [OLD, new, guardrail], &[&["new.yaml"], more].concat());
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
        ended.out
    };
    let row = |out: &str| {
        let row = out.lines().nth(1).unwrap().split_whitespace();
        row.collect::<Vec<_>>().join(" ")
    };
    let other_port = GUARDRAIL.replace("[5432]", "[5433]");
    let few_private = GUARDRAIL.replace("exceptions:", "private_means: [10.0.0.0/24]\nexceptions:");
    for (new, guardrail, said) in [
        (NEW, GUARDRAIL, "tcp/5432 all all all all all · grant EXC-1"),
        (NEW, &*other_port, "tcp/5432 all all all all! all! · NO GRANT"),
        (
            &*NEW.replace("    allow:", "#"),
            GUARDRAIL,
            "tcp/5432 all all all all! all! · NOT SIGNED",
        ),
        (OLD, GUARDRAIL, "tcp/5432 all all all · · ·"),
        (OLD, &*few_private, "tcp/5432 all all all! · · · NO GRANT"),
    ] {
        let out = show(new, guardrail, &[]);
        assert_eq!(row(&out), format!("10.20.9.9:5432 {said}"), "{out}");
    }
    assert!(show(NEW, &other_port, &["--format", "svg"]).contains("no grant holds this"));
    let data: serde_json::Value =
        serde_json::from_str(&show(NEW, &other_port, &["--format", "json"])).unwrap();
    let refusal = data["listeners"][0]["refusals"][0].as_str().unwrap();
    assert!(refusal.ends_with("outside the nearest, EXC-1: port 5432"), "{refusal}");
}

#[test]
fn a_grant_for_a_group_is_none_for_other_backends_under_its_name() {
    let old = NEW.replace("forward: 10.20.9.9:5432", "forward: api")
        + "upstreams: { api: { backends: [10.20.9.9:5432] } }\n";
    let guardrail = GUARDRAIL.replace("\"10.20.9.9:5432\"", "api");
    let ended = diff(&old, &old.replace("10.20.9.9", "10.20.9.7"), &guardrail);
    assert!(ended.out.contains("a grant names the group, not who is in it"), "{}", ended.out);
    assert_eq!(ended.code, Some(1));
}
