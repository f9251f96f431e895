//! `check`: everything that is wrong, at once, for people and for programs.

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
};

use tempfile::TempDir;

use crate::support::{Ended, portcullis};

const GOOD: &str = "\
portcullis: 1
listeners:
  web:
    purpose: the site
    expose: loopback
    port: 8080
    forward: 127.0.0.1:3000
";

/// Three mistakes in three places, in the order of the file.
const BAD: &str = "\
portcullis: 1
listeners:
  web:
    purpose: the site
    expose: loopback
    prt: 8080
    port: 8080
    forward: 127.0.0.1:3000
  api:
    purpose: the API
    expose: { private: { address: 8.8.8.8 } }
    port: 8081
    timeouts: { idle: 5m }
    forward: 127.0.0.1:3000
  db:
    expose: loopback
    port: 8082
    forward: nobody
";

/// Runs `check` in a folder with these files.
fn check(files: &[(&str, &[u8])], arguments: &[&str]) -> Ended {
    check_under(&[], files, arguments)
}

fn check_under(environment: &[(&str, &str)], files: &[(&str, &[u8])], arguments: &[&str]) -> Ended {
    let folder = folder(files);
    let mut command = portcullis();
    command
        .envs(environment.iter().copied())
        .current_dir(folder.path())
        .arg("check")
        .args(arguments);
    Ended::of(command)
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

#[test]
fn a_clean_file_is_a_success() {
    let ended = check(&[("good.yaml", GOOD.as_bytes())], &["good.yaml"]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.out, "check: 0 errors, 0 warnings in 1 file; 1 listener\n");
    assert_eq!(ended.err, "");
}

#[test]
fn findings_come_all_at_once_in_the_order_of_the_file() {
    let ended = check(&[("bad.yaml", BAD.as_bytes())], &["bad.yaml"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), ""));
    let places: Vec<_> = ended
        .out
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("--> bad.yaml:"))
        .collect();
    assert_eq!(places, ["6:5", "11:35", "18:14"], "{}", ended.out);
    assert!(ended.out.contains("\ncheck: 3 errors, 0 warnings in 1 file; "), "{}", ended.out);
}

#[test]
fn a_finding_shows_the_line_and_says_what_to_do() {
    let typo = GOOD.replace("port: 8080", "prot: 8080");
    let ended = check(&[("bad.yaml", typo.as_bytes())], &["bad.yaml"]);
    insta::assert_snapshot!(ended.out);
}

#[test]
fn json_is_one_object_with_every_finding_and_its_place() {
    let ended = check(
        &[("bad.yaml", BAD.as_bytes()), ("good.yaml", GOOD.as_bytes())],
        &["--format", "json", "bad.yaml", "good.yaml"],
    );
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), ""));
    let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["schema"], "portcullis.check/1");
    assert_eq!(report["exit"], 1);
    let inputs = report["inputs"].as_array().unwrap();
    for (input, path) in inputs.iter().zip(["bad.yaml", "good.yaml"]) {
        assert_eq!((&input["kind"], &input["path"]), (&"service".into(), &path.into()));
        assert_eq!(input["sha256"].as_str().unwrap().len(), 64);
    }
    assert_eq!(inputs.len(), 2);
    let summary = serde_json::json!({ "error": 3, "warn": 0, "info": 0, "suppressed": 0 });
    assert_eq!(report["summary"], summary);
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 3);
    for finding in findings {
        for key in ["code", "name", "level", "fingerprint", "message"] {
            assert!(finding[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {finding}");
        }
        assert!(finding["code"].as_str().unwrap().starts_with("PC"), "{finding}");
    }
    let place = serde_json::json!({ "path": "bad.yaml", "line": 6, "column": 5, "end_line": 6, "end_column": 8 });
    assert_eq!(findings[0]["location"], place);
}

#[test]
fn json_of_a_clean_file_has_no_findings() {
    let ended = check(&[("good.yaml", GOOD.as_bytes())], &["--format", "json", "good.yaml"]);
    let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((ended.code, &report["findings"]), (Some(0), &serde_json::json!([])));
}

#[test]
fn colour_is_for_those_who_want_it() {
    let coloured = |environment: &[(&str, &str)]| {
        let ended = check_under(environment, &[("bad.yaml", BAD.as_bytes())], &["bad.yaml"]);
        ended.out.contains('\u{1b}')
    };
    assert!(!coloured(&[]), "a pipe is no terminal");
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]), "whoever insists gets colour");
    assert!(!coloured(&[("NO_COLOR", "1"), ("TERM", "xterm")]));
}

#[test]
fn several_files_are_judged_one_by_one() {
    let files: &[(&str, &[u8])] =
        &[("a.yaml", GOOD.as_bytes()), ("b.yaml", BAD.as_bytes()), ("c.yaml", GOOD.as_bytes())];
    let ended = check(files, &["a.yaml", "b.yaml", "c.yaml"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("\ncheck: 3 errors, 0 warnings in 3 files; "), "{}", ended.out);
    assert!(!ended.out.contains("--> a.yaml") && ended.out.contains("--> b.yaml"), "{}", ended.out);
}

#[test]
fn warnings_fail_only_where_they_are_to() {
    let silent = GOOD
        .replace("    purpose: the site\n", "")
        .replace("loopback", "{ private: { subnet: 10.0.0.0/8 } }");
    let files: &[(&str, &[u8])] = &[("a.yaml", silent.as_bytes())];
    assert_eq!(check(files, &["a.yaml"]).code, Some(0));
    assert_eq!(check(files, &["--fail-on", "warn", "a.yaml"]).code, Some(1));
    assert_eq!(check(files, &["--fail-on", "error", "a.yaml"]).code, Some(0));
}

#[test]
fn what_fails_the_check_is_counted_in_its_last_line() {
    let database = GOOD
        .replace("loopback", "{ private: { address: 10.0.0.1 } }")
        .replace("127.0.0.1:3000", "10.0.0.9:5432");
    let files: &[(&str, &[u8])] = &[("a.yaml", database.as_bytes())];
    let last = |ended: &Ended| ended.out.lines().last().unwrap().to_owned();
    let ended = check(files, &["a.yaml"]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(last(&ended), "check: 0 errors, 0 warnings in 1 file; 1 listener");
    let ended = check(files, &["--fail-on", "info", "a.yaml"]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(last(&ended), "check: 0 errors, 0 warnings, 1 info in 1 file; 1 listener");
}

#[test]
fn a_file_that_cannot_be_read_is_not_judged() {
    for name in ["absent.yaml", "."] {
        let ended = check(&[("good.yaml", GOOD.as_bytes())], &["good.yaml", name]);
        assert_eq!(ended.code, Some(3), "{name}: {ended:?}");
        assert!(ended.err.starts_with(&format!("error: cannot read `{name}`: ")), "{}", ended.err);
    }
}

#[test]
fn the_name_of_a_file_that_cannot_be_read_says_nothing_in_a_line_of_its_own() {
    let ended = check(&[], &["x\n::error::forged\u{1b}[31m"]);
    assert!(ended.err.starts_with("error: cannot read `x\\n::error::forged\\u{1b}[31m`: "));
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
}

#[test]
fn what_is_no_text_is_a_finding_at_its_place() {
    let long = vec![b' '; 16 * 1024 * 1024 + 1];
    let table: [(&[u8], &str, &str); 3] = [
        (b"portcullis: 1\nservice: caf\xe9\n", "not UTF-8", "bad.yaml:2:13"),
        (b"portcullis: 1\nservice: a\0b\n", "NUL", "bad.yaml:2:11"),
        (&long, "", "bad.yaml:1:1"),
    ];
    for (bytes, what, place) in table {
        let ended = check(&[("bad.yaml", bytes)], &["bad.yaml"]);
        assert_eq!(ended.code, Some(1), "{what}: {}", ended.err);
        assert!(ended.out.contains(what) && ended.out.contains(place), "{}", ended.out);
    }
}

#[test]
fn whoever_reads_no_further_is_no_error() {
    let listeners: String = (0..2000).map(|number| format!("  l{number}: {{}}\n")).collect();
    let folder =
        folder(&[("bad.yaml", format!("portcullis: 1\nlisteners:\n{listeners}").as_bytes())]);
    // A pipe whose reading end is closed already, as `head` leaves it.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = portcullis();
    command.current_dir(folder.path()).args(["check", "bad.yaml"]);
    let child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    drop(command);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "");
    assert_eq!(ended.status.code(), Some(1), "the findings are there, read or not");
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let folder = folder(&[("good.yaml", GOOD.as_bytes())]);
    let mut command = portcullis();
    command.current_dir(folder.path()).args(["check", "good.yaml"]);
    command.stdout(File::options().write(true).open("/dev/full").unwrap()).stderr(Stdio::piped());
    let ended = command.spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(4));
    assert!(String::from_utf8(ended.stderr).unwrap().contains("No space left"));
}

/// Those of a review are held against its own guardrail, elsewhere.
#[test]
fn every_example_is_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("examples");
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut examples: Vec<_> = files.filter(|path| path.is_file()).collect();
    assert!(!examples.is_empty(), "there are examples");
    examples.push(root.join("config.example.yaml"));
    let guardrail = folder.join("guardrails/edge.yaml");
    for example in examples {
        let ended = Ended::with([
            "check".as_ref(),
            "--fail-on".as_ref(),
            "info".as_ref(),
            "--guardrails".as_ref(),
            guardrail.as_os_str(),
            example.as_os_str(),
        ]);
        assert_eq!(ended.code, Some(0), "{}:\n{}{}", example.display(), ended.out, ended.err);
    }
}
