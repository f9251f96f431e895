//! What the project hands to other repositories works as it is handed out: the action, the hooks,
//! the example.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::support::{Ended, ServiceFile};

const GOOD: &str = "\
portcullis: 1
listeners:
  web:
    purpose: a test
    expose: loopback
    port: 8080
    forward: 127.0.0.1:3000
";

fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Runs the action's check as a runner does.
fn step(file: &ServiceFile, inputs: &[(&str, &str)]) -> Ended {
    named("Check", file, inputs)
}

/// Runs a step of the action as a runner does.
fn named(name: &str, file: &ServiceFile, inputs: &[(&str, &str)]) -> Ended {
    let action = yaml("packaging/action/action.yml");
    let steps = action["runs"]["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"] == name).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_portcullis")).parent().unwrap();
    let mut command = Command::new("bash");
    command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"].as_str().unwrap()]);
    let path = format!("{}:/usr/bin:/bin", program.display());
    command.env_clear().env("PATH", path).current_dir(file.folder());
    command.env("HOME", file.folder()).env("GITHUB_STEP_SUMMARY", file.beside("summary.md"));
    for (name, from) in step["env"].as_object().unwrap() {
        let input =
            from.as_str().unwrap().trim_start_matches("${{ inputs.").trim_end_matches(" }}");
        let given = inputs.iter().find(|(name, _)| *name == input).map(|(_, value)| *value);
        let default = action["inputs"][input]["default"].as_str().unwrap_or_default();
        command.env(name, given.unwrap_or(default));
    }
    Ended::of(command)
}

#[test]
fn the_action_annotates_and_ends_as_the_check_does() {
    let file = ServiceFile::new(GOOD);
    let path = file.path().to_str().unwrap();
    let clean = step(&file, &[("files", path)]);
    assert_eq!((clean.code, clean.out.as_str(), clean.err.as_str()), (Some(0), "", ""));
    fs::write(file.path(), GOOD.replace("loopback", "localhost")).unwrap();
    let two = format!("{path}\n\n{path}\n");
    let bad = step(&file, &[("files", &two), ("sarif", "a b.sarif")]);
    assert_eq!((bad.code, bad.out.lines().count()), (Some(1), 2), "{}", bad.err);
    assert!(bad.out.starts_with("::error file="), "{}", bad.out);
    assert!(file.beside("a b.sarif").exists());
}

/// A repository with the file as it is in force.
fn repository(text: &str) -> ServiceFile {
    let file = ServiceFile::new(text);
    for arguments in [
        &["init", "--quiet"][..],
        &["add", "portcullis.yaml"],
        &["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "-m", "a"],
    ] {
        let mut git = Command::new("git");
        git.arg("-C").arg(file.folder()).args(arguments).env("HOME", file.folder());
        assert!(git.status().unwrap().success(), "{arguments:?}");
    }
    file
}

#[test]
fn the_action_says_in_the_summary_what_a_change_makes_reachable() {
    let file = repository(GOOD);
    let inputs = [("files", "portcullis.yaml\nsecond.yaml"), ("base", "HEAD")];
    fs::write(
        file.beside("second.yaml"),
        GOOD.replace("loopback", "{ private: { subnet: 10.20.0.0/16 } }"),
    )
    .unwrap();
    let summary = || fs::read_to_string(file.beside("summary.md")).unwrap();
    let shown = named("Change", &file, &inputs);
    assert_eq!((shown.code, shown.out.as_str(), shown.err.as_str()), (Some(0), "", ""));
    assert!(summary().contains("no change"), "{}", summary());
    assert!(summary().contains("**WIDENING** listener `web`"), "a new file: {}", summary());

    let [files, base] = inputs;
    let strict = [files, base, ("unapproved", "fail"), ("guardrails", "guardrail.yaml")];
    let guardrail = "portcullis_guardrails: 1
name: g
may_expose: [loopback]
exceptions:
  grants:
    - { id: A, service: second, listener: web, box: { classes: [private], families: [v4], protocol: tcp,
        ports: [8080], clients: any, upstreams: any }, approved_by: security@example.com }
";
    fs::write(file.beside("guardrail.yaml"), guardrail).unwrap();
    let ended = named("Change", &file, &strict);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.out.starts_with("::error title=portcullis::This change widens"), "{}", ended.out);
    let second = fs::read_to_string(file.beside("second.yaml")).unwrap();
    let named_service = second.replace("portcullis: 1\n", "portcullis: 1\nservice: second\n");
    fs::write(file.beside("second.yaml"), named_service).unwrap();
    let granted = named("Change", &file, &strict);
    assert_eq!(granted.code, Some(0), "{}{}", granted.err, summary());
}

#[test]
fn the_action_tells_a_change_that_it_cannot_judge_from_one_that_is_not_approved() {
    let file = repository(GOOD);
    for (inputs, code) in [
        ([("files", "portcullis.yaml"), ("base", "no-such-revision")], 3),
        ([("files", "absent.yaml"), ("base", "HEAD")], 3),
        ([("files", "portcullis.yaml"), ("base", "--output=forged")], 2),
        ([("files", "portcullis.yaml"), ("base", "$(touch forged)")], 3),
        ([("files", "$(touch forged)"), ("base", "HEAD")], 3),
    ] {
        let ended = named("Change", &file, &inputs);
        assert_eq!((ended.code, ended.out.as_str()), (Some(code), ""), "{inputs:?}: {}", ended.err);
    }
    let inputs = [("files", "portcullis.yaml"), ("base", "HEAD"), ("unapproved", "perhaps")];
    assert_eq!(named("Change", &file, &inputs).code, Some(2));
    assert!(!file.beside("forged").exists());
}

#[test]
fn what_goes_to_code_scanning_has_nothing_that_somebody_answers_for() {
    let expected = "expect: [{ code: PC1108, listener: web, reason: it goes without saying }]\n";
    let text = GOOD
        .replace("    purpose: a test\n", "")
        .replace("loopback", "{ private: { subnet: 10.20.0.0/16 } }");
    let file = ServiceFile::new(&format!("{text}{expected}"));
    let ended = step(&file, &[("files", "portcullis.yaml"), ("sarif", "a.sarif")]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{}", ended.err);
    let sarif = fs::read_to_string(file.beside("a.sarif")).unwrap();
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    assert!(sarif["runs"][0]["results"].as_array().unwrap().is_empty());
}

#[test]
fn inputs_of_the_action_are_words_and_no_script() {
    let file = ServiceFile::new(GOOD);
    for input in
        ["$(touch forged)", "`touch forged`", "a; touch forged", "--fix", "\"; touch forged; \""]
    {
        assert_eq!(step(&file, &[("files", input)]).code, Some(3), "{input}");
    }
    assert_eq!(step(&file, &[("files", "")]).code, Some(2));
    assert!(!file.beside("forged").exists());
}

#[test]
fn every_hook_is_a_command_that_the_program_has() {
    let hooks = yaml(".pre-commit-hooks.yaml");
    let hooks = hooks.as_array().unwrap();
    assert!(!hooks.is_empty());
    for hook in hooks {
        let file = ServiceFile::new(GOOD);
        let mut words = hook["entry"].as_str().unwrap().split(' ');
        assert_eq!(words.next(), Some("portcullis"));
        let path = file.path().to_str().unwrap();
        assert_eq!(Ended::with(words.chain([path])).code, Some(0), "{hook}");
    }
}

#[test]
fn the_example_of_a_review_ends_as_its_readme_says() {
    let folder = Path::new("examples/review");
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let commands = readme.lines().filter_map(|line| {
        let (words, code) = line.strip_prefix("$ portcullis ")?.split_once("# exit ")?;
        Some((words.split_whitespace(), code.trim().parse().unwrap()))
    });
    let mut codes = Vec::new();
    for (words, code) in commands {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.current_dir(folder).args(words);
        let ended = Ended::of(command);
        assert_eq!((ended.code, ended.err.as_str()), (Some(code), ""), "{}", ended.out);
        codes.push(code);
    }
    assert_eq!(codes, [0, 1, 1]);
}

#[test]
fn the_example_of_a_review_refuses_what_its_readme_says() {
    let folder = Path::new("examples/review");
    let check = |service: &Path, guardrail: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.current_dir(folder).args(["check", "--now", "2026-12-01", "--guardrails"]);
        command.args([guardrail, service]);
        Ended::of(command)
    };
    let codes = |ended: &Ended| {
        let errors =
            ended.out.lines().filter_map(|line| line.strip_prefix("error[")?.split_once(']'));
        errors.map(|(code, _)| code.to_owned()).collect::<Vec<_>>()
    };
    let (service, guardrail) =
        (Path::new("pull-request/portcullis.yaml"), "guardrails/acme-edge.yaml");
    let signed = check(service, Path::new(guardrail));
    assert_eq!(codes(&signed), ["PC0102", "PC1201", "PC1113", "PC0602"], "{}", signed.out);

    let text = fs::read_to_string(folder.join(service)).unwrap();
    let unsigned: Vec<_> = text.lines().filter(|line| !line.contains("I work from home")).collect();
    let unsigned = ServiceFile::new(&unsigned.join("\n"));
    let asked = check(unsigned.path(), Path::new(guardrail));
    assert_eq!(codes(&asked), ["PC0102", "PC1201", "PC0602"], "{}", asked.out);

    let grant = "    - { id: EXC-2026-015, service: billing-edge, listener: db, box: { classes: [public],
        families: [v4], protocol: tcp, ports: [5432], clients: any, upstreams: [ledger] },
        reason: working from home, owner: max@example.com, ticket: NET-12, approved_by: security@example.com,
        approved_on: 2026-11-20, expires: 2027-01-31 }\n\nsuppressions:";
    let granting = fs::read_to_string(folder.join(guardrail)).unwrap();
    let granting = ServiceFile::new(&granting.replace("\nsuppressions:", grant));
    let ticketed = text.replace("max@example.com,", "max@example.com, ticket: NET-12,");
    let granted = check(ServiceFile::new(&ticketed).path(), granting.path());
    assert_eq!(codes(&granted), ["PC1201", "PC0602"], "{}", granted.out);
}
