//! `plan`, `explain`, `run`, and what none of them takes.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Stdio},
};

use crate::support::{
    Ended, LOOPBACK, ServiceFile, eventually, http::get, one_listener, portcullis,
};

const LOOPBACK_8080: &[&str] =
    &["expose: { loopback: { families: [v4] } }", "port: 8080", "forward: 127.0.0.1:3000"];

fn plan(arguments: &[&std::path::Path]) -> Ended {
    let mut command = portcullis();
    command.arg("plan").args(arguments);
    Ended::of(command)
}

#[test]
fn plan_lists_every_socket_and_binds_none() {
    let file = ServiceFile::new(&one_listener(LOOPBACK_8080));
    let ended = plan(&[file.path()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let rows: Vec<Vec<_>> =
        ended.out.lines().map(|line| line.split_whitespace().collect()).collect();
    let last_two =
        |row: &Vec<&str>| row.iter().take(6).map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let tables: Vec<_> = rows
        .iter()
        .filter(|row| row.first().is_some_and(|word| ["LISTENER", "web"].contains(word)))
        .map(last_two)
        .collect();
    assert_eq!(
        tables,
        [
            ["LISTENER", "PROTOCOL", "ADDRESS", "FAMILY", "V6ONLY", "DEVICE"],
            ["web", "tcp", "127.0.0.1:8080", "IPv4", "-", "lo"],
        ],
        "{}",
        ended.out
    );
}

#[test]
fn plan_against_a_running_file_says_what_a_reload_would_do() {
    let running = ServiceFile::new(
        &(one_listener(LOOPBACK_8080)
            + "  gone:\n    expose: loopback\n    port: 8081\n    serve: status\n"),
    );
    let wanted = ServiceFile::new(
        &(one_listener(LOOPBACK_8080)
            + "  new:\n    expose: loopback\n    port: 8082\n    serve: status\n"),
    );
    let ended = plan(&[wanted.path(), "--against".as_ref(), running.path()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let changes: Vec<_> = ended
        .out
        .lines()
        .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
        .filter(|change| ["keep", "add", "remove"].iter().any(|word| change.starts_with(word)))
        .collect();
    assert!(changes.contains(&"keep web".to_owned()), "{}", ended.out);
    assert!(changes.contains(&"add new".to_owned()), "{}", ended.out);
    assert!(changes.contains(&"remove gone".to_owned()), "{}", ended.out);
}

#[test]
fn plan_of_a_bad_file_is_its_findings() {
    let file = ServiceFile::new("portcullis: 1\nlisteners: {}\n");
    let ended = plan(&[file.path()]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.out.contains("error[PC0007]"), "{}", ended.out);
    assert_eq!(plan(&["/nowhere.yaml".as_ref()]).code, Some(3));
}

#[test]
fn explain_shows_the_page_of_a_code_however_it_is_written() {
    let upper = Ended::with(["explain", "PC0101"]);
    assert_eq!(upper.code, Some(0));
    assert!(upper.out.starts_with("# PC0101 `any-bind-not-granted`\n"), "{}", upper.out);
    assert!(upper.out.contains("## Why is this bad?"), "{}", upper.out);
    assert_eq!(Ended::with(["explain", "pc0101"]).out, upper.out);
}

#[test]
fn explain_lists_the_sensitive_services_with_a_reason_each() {
    let list = Ended::with(["explain", "--ports"]);
    assert_eq!(list.code, Some(0));
    assert!(list.out.contains("PostgreSQL (sql): 5432, .s.PGSQL.*\n"), "{}", list.out);
    let lines = |start: &str| list.out.lines().filter(|line| line.starts_with(start)).count();
    assert!(lines("  level    ") > 50);
    assert_eq!(lines("  why      "), lines("  level    "));
    assert_eq!(lines("  instead  "), lines("  level    "));
    assert_eq!(Ended::with(["explain", "--ports", "PC0601"]).code, Some(2));
}

#[test]
fn explain_without_a_code_lists_all_of_them_and_each_has_its_page() {
    let list = Ended::with(["explain"]);
    assert_eq!(list.code, Some(0));
    let codes: Vec<_> = list.out.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert!(codes.len() > 20, "{codes:?}");
    assert!(codes.is_sorted(), "{codes:?}");
    for code in codes {
        assert_eq!(Ended::with(["explain", code]).code, Some(0), "{code}");
    }
}

#[test]
fn an_unknown_code_is_a_wrong_command_line() {
    let ended = Ended::with(["explain", "PC9999"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    assert!(ended.err.contains("PC9999"), "{}", ended.err);
}

#[test]
fn a_wrong_command_line_is_said_so_and_nothing_is_done() {
    let wrong: [&[&str]; 6] = [
        &[],
        &["serve"],
        &["check"],
        &["run"],
        &["check", "--format", "xml", "x.yaml"],
        &["run", "--port", "80", "x.yaml"],
    ];
    for arguments in wrong {
        let ended = Ended::with(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        assert!(
            ended.err.contains("--help") || ended.err.contains("Usage: "),
            "{arguments:?}: {}",
            ended.err
        );
        assert_eq!(ended.out, "", "{arguments:?}");
    }
}

#[test]
fn help_and_version_are_answers() {
    for arguments in [["--help"], ["--version"]] {
        let ended = Ended::with(arguments);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(ended.out.contains("portcullis"), "{}", ended.out);
    }
}

#[test]
fn run_ends_with_what_stood_in_its_way() {
    let missing = Ended::with(["run", "/nowhere.yaml"]);
    assert_eq!((missing.code, missing.out.as_str()), (Some(3), ""));
    assert!(missing.err.contains("cannot read `/nowhere.yaml`"), "{}", missing.err);
    let bad = ServiceFile::new("portcullis: 1\nlisteners: {}\n");
    let refused = Ended::with(["run".as_ref(), bad.path().as_os_str()]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""));
    assert!(refused.err.contains("error[PC0007]"), "{}", refused.err);
}

#[test]
fn port_zero_takes_a_flag() {
    let file = ServiceFile::new(&one_listener(&[LOOPBACK, "serve: status"])).serving();
    let refused = Ended::with(["run".as_ref(), file.path().as_os_str()]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("PC0305"), "{}", refused.err);
}

#[test]
fn the_log_can_be_had_in_json_while_standard_output_stays_what_it_is() {
    let file = ServiceFile::new(&one_listener(&[LOOPBACK, "serve: status"])).serving();
    let mut command = portcullis();
    command.args(["run", "--allow-port-zero", "--log", "json"]).arg(file.path());
    let mut child = Kill(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let serving =
        lines.by_ref().take(2).map(Result::unwrap).find(|line| line == "SERVING generation=1");
    child.0.kill().unwrap();
    let mut log = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(serving.is_some());
    let events: Vec<serde_json::Value> = log
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        events.iter().any(|event| event["fields"]["message"] == "configuration in force"),
        "{log}"
    );
}

#[test]
fn serving_goes_on_when_nobody_reads_what_it_says() {
    let file = ServiceFile::new(&one_listener(&[LOOPBACK, "serve: status"])).serving();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = portcullis();
    command.args(["run", "--allow-port-zero"]).arg(file.path());
    let _ended_with_the_test = Kill(command.stdout(writer).stderr(Stdio::null()).spawn().unwrap());
    drop(command);
    let mut lines = BufReader::new(reader).lines();
    let ready = lines.next().unwrap().unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "SERVING generation=1");
    drop(lines);
    // Something to say: nobody hears it, and it is in force all the same.
    file.replace(&one_listener(&[LOOPBACK, "limits: { connections: 5 }", "serve: status"]));
    let at = ready.rsplit_once('=').unwrap().1.parse().unwrap();
    eventually("generation 2", || get(at, "/").1.contains("generation 2"));
}

/// A child that is ended with the test.
struct Kill(Child);

impl Drop for Kill {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to do.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}
