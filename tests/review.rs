//! What a reviewer gets: the case that the design was made for, in full; exit codes; hostile names.

mod governed;
mod laws;

use std::{fs, path::Path, process::Command};

use crate::support::program::{Ended, portcullis};

/// Runs the program among the files of the case.
fn in_case(arguments: &[&str]) -> Ended {
    let mut command = portcullis();
    command.current_dir("tests/review").args(arguments);
    Ended::of(command)
}

/// Runs the program in a folder.
fn beside(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = portcullis();
    command.current_dir(folder).env("PATH", "/usr/bin:/bin").args(arguments);
    Ended::of(command)
}

#[test]
fn a_database_put_on_the_internet_is_told_in_text() {
    let ended = in_case(&["diff", "main.yaml", "pr.yaml"]);
    assert_eq!(ended.code, Some(1));
    insta::assert_snapshot!("review-text", ended.out);
}

#[test]
fn a_database_put_on_the_internet_is_told_in_markdown() {
    let ended = in_case(&["diff", "main.yaml", "pr.yaml", "--format", "markdown"]);
    assert_eq!(ended.code, Some(1));
    insta::assert_snapshot!("review-markdown", ended.out);
}

#[test]
fn a_database_put_on_the_internet_is_told_to_programs() {
    let ended = in_case(&["diff", "main.yaml", "pr.yaml", "--format", "json"]);
    assert_eq!(ended.code, Some(1));
    let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["schema"], "portcullis.diff/1");
    assert_eq!(report["exit"], 1);
    let change = &report["changes"][0];
    assert_eq!((&change["listener"], &change["effect"]), (&"db".into(), &"widening".into()));
    let witness = &change["gained"][0]["witness"];
    assert_eq!((&witness["client"], &witness["port"]), (&"8.8.8.8".into(), &5432.into()));
}

#[test]
fn exit_codes_do_not_depend_on_the_form() {
    for format in ["text", "markdown", "json"] {
        let code = |old, new| in_case(&["diff", old, new, "--format", format]).code;
        assert_eq!(code("main.yaml", "main.yaml"), Some(0), "{format}");
        assert_eq!(code("main.yaml", "pr.yaml"), Some(1), "{format}");
        assert_eq!(code("main.yaml", "absent.yaml"), Some(3), "{format}");
    }
    assert_eq!(in_case(&["diff", "main.yaml"]).code, Some(2));
    assert_eq!(in_case(&["diff", "--exit-zero", "main.yaml", "pr.yaml"]).code, Some(0));
    assert_eq!(in_case(&["diff", "--exit-zero", "main.yaml", "absent.yaml"]).code, Some(3));
    assert_eq!(in_case(&["diff", "--git", "HEAD", "main.yaml", "pr.yaml"]).code, Some(2));
    assert_eq!(in_case(&["diff", "--git", "--output=x", "main.yaml"]).code, Some(2));
}

#[test]
fn the_detailed_exit_code_says_what_kind_of_change_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let old = fs::read_to_string("tests/review/main.yaml").unwrap();
    let code = |new: &str, more: &[&str]| {
        fs::write(at("old.yaml"), &old).unwrap();
        fs::write(at("new.yaml"), new).unwrap();
        let arguments = [&["diff", "--detailed-exitcode", "old.yaml", "new.yaml"], more].concat();
        beside(folder.path(), &arguments).code
    };
    let but = |from: &str, to: &str| {
        assert!(old.contains(from), "{from}: {old}");
        old.replacen(from, to, 1)
    };
    assert_eq!(code(&old, &[]), Some(0));
    assert_eq!(code(&format!("# a remark\n{old}"), &[]), Some(0));
    assert_eq!(
        code(&but("clients: { allow: [app_subnet] }", "clients: { allow: [10.20.1.0/24] }"), &[]),
        Some(10)
    );
    assert_eq!(code(&but("    clients: { allow: [app_subnet] }\n", ""), &[]), Some(11));
    assert_eq!(code(&but("port: 5432", "port: 5433"), &[]), Some(12));
    assert_eq!(code(&but("10.20.9.9:5432", "10.20.9.99:5432"), &[]), Some(13));
    let expected = "expect: [{ code: PC0602, listener: db, reason: it is meant to be }]\n";
    assert_eq!(code(&format!("{old}\n{expected}"), &[]), Some(15));
    assert_eq!(code("portcullis: [\n", &[]), Some(3));
    assert_eq!(code(&old, &["--exit-zero"]), Some(2));
    let json = beside(
        folder.path(),
        &["diff", "--detailed-exitcode", "--format", "json", "old.yaml", "new.yaml"],
    );
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&json.out).unwrap()["exit"],
        json.code.unwrap()
    );
}

#[test]
fn a_file_that_cannot_be_judged_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good.yaml"), fs::read("tests/review/main.yaml").unwrap())
        .unwrap();
    fs::write(folder.path().join("bad.yaml"), "portcullis: 1\nlisteners: [\n").unwrap();
    let ended = beside(folder.path(), &["diff", "good.yaml", "bad.yaml"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(3), ""));
    assert!(ended.err.contains("cannot judge `bad.yaml`"), "{}", ended.err);
}

#[test]
fn the_old_file_comes_out_of_the_repository() {
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(folder.path()).args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.com",
        ]);
        let ended = Ended::of({
            git.args(arguments);
            git
        });
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    };
    let write = |from: &str, to: &str| {
        fs::write(folder.path().join(to), fs::read(format!("tests/review/{from}")).unwrap())
            .unwrap();
    };
    git(&["init", "-q"]);
    write("main.yaml", "service.yaml");
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "first"]);
    let diff = |revision| beside(folder.path(), &["diff", "--git", revision, "service.yaml"]);
    assert_eq!(diff("HEAD").code, Some(0));
    write("pr.yaml", "service.yaml");
    let ended = diff("HEAD");
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("WIDENING  listener db"), "{}", ended.out);
    assert_eq!(diff("no-such-revision").code, Some(3));
    // A file that is new reaches everything anew.
    write("main.yaml", "second.yaml");
    let ended = beside(folder.path(), &["diff", "--git", "HEAD", "second.yaml"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.starts_with("portcullis: 5 widening"), "{}", ended.out);
}

#[test]
fn a_hostile_name_forges_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, reason: &str, path: &str| {
        let text = format!(
            "portcullis: 1\nlisteners:\n  web:\n    expose: {{ public: {{ address: 203.0.113.10 }} }}\n    port: 443\n    allow: {{ reason: \"{reason}\" }}\n    forward: {{ unix: \"{path}\" }}\n"
        );
        fs::write(folder.path().join(name), text).unwrap();
    };
    write("old.yaml", "x", "/run/a.sock");
    let reason = "``` </text><script>alert(1)</script> @everyone \\e[31m | \\u202e ::error::";
    write("new.yaml", reason, "/run/`b`\\e]0;x\\a<img src=x>.sock");
    let all = [
        &["diff", "old.yaml", "new.yaml"][..],
        &["diff", "old.yaml", "new.yaml", "--format", "markdown"],
        &["show", "new.yaml"],
        &["show", "new.yaml", "--format", "svg"],
        &["show", "new.yaml", "--format", "mermaid"],
    ];
    for arguments in all {
        let ended = beside(folder.path(), arguments);
        assert!(ended.code <= Some(1), "{}", ended.err);
        assert!(!ended.out.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{}", ended.out);
        if arguments.contains(&"svg") {
            assert!(!ended.out.contains("<script") && !ended.out.contains("<img"), "{}", ended.out);
        }
        if arguments.contains(&"markdown") {
            // The only fences that close are the longer ones of the page itself.
            let bare = ended.out.lines().filter(|line| line.trim() == "```").count();
            let opened = ended.out.lines().filter(|line| *line == "```text").count();
            assert_eq!(bare, opened, "{}", ended.out);
        }
    }
}

#[test]
fn a_comment_has_a_bound_and_says_what_was_cut() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, expose: &str| {
        let mut text = String::from("portcullis: 1\nlisteners:\n");
        for port in 0..400 {
            let forward = format!("forward: 10.20.9.9:{}", 1000 + port);
            text.push_str(&format!(
                "  l{port}: {{ expose: {expose}, port: {}, {forward} }}\n",
                2000 + port
            ));
        }
        fs::write(folder.path().join(name), text).unwrap();
    };
    write("old.yaml", "loopback");
    write("new.yaml", "{ private: { address: 10.20.3.4 } }");
    let ended = beside(folder.path(), &["diff", "old.yaml", "new.yaml", "--format", "markdown"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.len() <= 60_000, "{} bytes", ended.out.len());
    assert!(ended.out.contains("**Cut: "), "{}", &ended.out.lines().last().unwrap());
}

#[test]
fn what_somebody_reaches_is_told() {
    let ended = in_case(&["show", "pr.yaml", "--from", "10.20.0.0/16"]);
    assert_eq!(ended.code, Some(0));
    insta::assert_snapshot!("review-from", ended.out);
    assert_eq!(in_case(&["show", "pr.yaml", "--from", "nobody"]).code, Some(2));
}

#[test]
fn the_picture_marks_what_is_new() {
    let ended = in_case(&["show", "pr.yaml", "--against", "main.yaml", "--format", "svg"]);
    assert_eq!(ended.code, Some(0));
    insta::assert_snapshot!("review-picture", ended.out);
}

#[test]
fn without_assumptions_a_list_of_clients_counts_whoever_is_near() {
    let file = |clients: &str| {
        format!(
            "portcullis: 1\nlisteners:\n  db:\n    expose: {{ private: {{ address: 10.20.3.4 }} }}\n    port: 5432\n    clients: {{ allow: [{clients}] }}\n    forward: 10.20.9.9:5432\n"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("old.yaml"), file("10.20.0.0/16")).unwrap();
    fs::write(folder.path().join("new.yaml"), file("10.20.0.0/16, 8.8.8.0/24")).unwrap();
    let diff =
        |assume: &str| beside(folder.path(), &["diff", "old.yaml", "new.yaml", "--assume", assume]);
    assert_eq!(diff("all").code, Some(0), "nobody from there arrives: {}", diff("all").out);
    let ended = diff("none");
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("8.8.8.8 → 10.20.3.4:5432"), "{}", ended.out);
    assert!(ended.out.contains("rests on no assumption"), "{}", ended.out);
}
