//! Files that a check writes, the step's summary, baselines, and exit codes.

use std::fs;

use super::{BAD, assert_is_sarif, json};
use crate::support::{Ended, ServiceFile, portcullis};

fn check(file: &ServiceFile, arguments: &[&str]) -> Ended {
    let mut command = portcullis();
    command.arg("check").args(arguments).arg("portcullis.yaml").current_dir(file.folder());
    Ended::of(command)
}

#[test]
fn writes_files_beside_the_text_and_ends_as_without_them() {
    let file = ServiceFile::new(BAD);
    let plain = check(&file, &[]);
    let both = check(&file, &["--out", "sarif=a.sarif", "--out", "text=b.txt"]);
    assert_eq!((both.code, &both.out), (Some(1), &plain.out));
    let sarif = json(&fs::read_to_string(file.beside("a.sarif")).unwrap());
    assert_is_sarif(&sarif);
    assert_eq!(
        sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"],
        json(r#"{ "uri": "portcullis.yaml" }"#)
    );
    assert_eq!(fs::read_to_string(file.beside("b.txt")).unwrap(), plain.out);
    assert_eq!(fs::read_dir(file.folder()).unwrap().count(), 3);
}

#[test]
fn an_output_that_cannot_be_written_is_an_error_and_no_finding() {
    let file = ServiceFile::new(BAD);
    let ended = check(&file, &["--out", "json=absent/report.json"]);
    assert_eq!(ended.code, Some(4));
    assert!(ended.err.starts_with("error: cannot write `absent/report.json`: "), "{}", ended.err);
    for (arguments, said) in [
        (&["--out", "json=portcullis.yaml"][..], "would overwrite `portcullis.yaml`"),
        (&["--out", "json=a", "--out", "sarif=a"], "would overwrite `a`"),
        (&["--out", "json="], "names no file"),
        (&["--out", "a.sarif"], "write FORMAT=PATH"),
        (&["--out", "pdf=a"], "invalid variant"),
    ] {
        let ended = check(&file, arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        assert!(ended.err.contains(said), "{arguments:?}: {}", ended.err);
    }
    assert_eq!(fs::read_to_string(file.path()).unwrap(), BAD);
}

#[test]
fn exit_zero_turns_one_into_zero_and_nothing_else() {
    let file = ServiceFile::new(BAD);
    assert_eq!(check(&file, &["--exit-zero"]).code, Some(0));
    assert_eq!(json(&check(&file, &["--exit-zero", "--format", "json"]).out)["exit"], 0);
    assert_eq!(check(&file, &["--exit-zero", "absent.yaml"]).code, Some(3));
    assert_eq!(check(&file, &["--exit-zero", "--format", "pdf"]).code, Some(2));
}

#[test]
fn a_baseline_hides_what_it_has_but_nothing_forbidden() {
    let file = ServiceFile::new(BAD);
    check(&file, &["--out", "json=known.json"]);
    let ended = check(&file, &["--baseline", "known.json"]);
    assert!(ended.out.contains("hidden, 0 of it gone\n"), "{}", ended.out);
    assert!(ended.out.contains("forbidden is never hidden"), "{}", ended.out);
    assert_eq!(ended.out.matches("error[").count(), 1, "{}", ended.out);
    assert!(ended.out.contains("error[PC0101]"), "{}", ended.out);
    assert_eq!(ended.code, Some(1));

    // Without what is forbidden nothing is left of the old findings but the hint that nobody else
    // signed, and a new one shows.
    let signed = BAD.replace("    port: 443\n", "    allow: { reason: a test }\n    port: 443\n");
    fs::write(file.path(), &signed).unwrap();
    let signed_now = check(&file, &["--baseline", "known.json", "--fail-on", "warn"]);
    assert_eq!((signed_now.code, signed_now.out.matches("[PC").count()), (Some(0), 1));
    assert!(signed_now.out.starts_with("info[PC1111]"), "{}", signed_now.out);
    fs::write(file.path(), signed.replace("port: 9000", "port: 99999")).unwrap();
    let ended = check(&file, &["--baseline", "known.json"]);
    assert!(ended.code == Some(1) && ended.out.contains("PC0005"), "{}", ended.out);
}

#[test]
fn what_is_no_baseline_cannot_be_judged_with() {
    let file = ServiceFile::new(BAD);
    fs::write(file.beside("text"), "no").unwrap();
    fs::write(file.beside("later"), r#"{ "schema": "portcullis.check/2", "findings": [] }"#)
        .unwrap();
    for (path, said) in [
        ("absent", "cannot read `absent`"),
        ("text", "cannot use `text` as a baseline: it is no report"),
        ("later", "of the form `portcullis.check/2`, and this version reads `portcullis.check/1`"),
    ] {
        let ended = check(&file, &["--baseline", path]);
        assert_eq!((ended.code, ended.out.as_str()), (Some(3), ""), "{path}");
        assert!(ended.err.contains(said), "{path}: {}", ended.err);
    }
}

#[test]
fn annotations_are_ten_of_a_level_and_the_summary_has_all() {
    let bad: String = (0..25)
        .map(|n| format!("  l{n}:\n    purpose: one\n    expose: loopback\n    prt: {n}\n    forward: 127.0.0.1:3000\n"))
        .collect();
    let file = ServiceFile::new(&format!("portcullis: 1\nlisteners:\n{bad}"));
    fs::write(file.beside("summary.md"), "before\n").unwrap();
    let mut command = portcullis();
    command.args(["check", "--format", "github", "portcullis.yaml"]).current_dir(file.folder());
    command.env("GITHUB_STEP_SUMMARY", "summary.md");
    let ended = Ended::of(command);
    assert_eq!(ended.out.lines().filter(|line| line.starts_with("::error ")).count(), 10);
    let last = ended.out.lines().last().unwrap();
    let rest =
        json(&check(&file, &["--format", "json"]).out)["summary"]["error"].as_u64().unwrap() - 10;
    assert_eq!(last, format!("::notice title=portcullis::and {rest} more, see the step summary"));
    let summary = fs::read_to_string(file.beside("summary.md")).unwrap();
    assert!(summary.starts_with("before\n### portcullis check: "), "{summary}");
    assert_eq!(summary.matches("PC0002 unknown-key").count(), 25, "{summary}");
    assert_eq!(
        check(&file, &["--format", "github"]).out.lines().last().unwrap(),
        format!("::notice title=portcullis::and {rest} more, `portcullis check` lists them all")
    );
}
