//! `audit --watch`: what it tells, when it looks, and how it ends.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
};

use serde_json::Value;

use super::{HEAD, PRIVATE, audit, listener, serving};
use crate::support::{
    Ended, Program, ServiceFile,
    namespace::{in_namespace, run, veth},
    portcullis,
    wait::{DEADLINE, eventually, eventually_some},
};

/// It looks so often that a test need not wait for it.
const OFTEN: [&str; 3] = ["--host", "--every", "1s"];

/// It looks at changes of the host only.
const WHEN_TOLD: [&str; 3] = ["--host", "--every", "24h"];

/// An audit that watches. Dropping it kills it.
struct Watch {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Watch {
    /// Starts it and waits for the first report, which is returned as well.
    #[track_caller]
    fn of(file: &Path, options: &[&str]) -> (Self, String) {
        let (child, out) = started(file, options);
        let (sender, lines) = mpsc::channel();
        // It ends with the pipe, which ends with the child.
        thread::spawn(move || {
            out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut watch = Self { child, lines };
        let mut report = String::new();
        loop {
            let line = watch.line();
            report += &line;
            if line.starts_with("audit: ") || line.starts_with('{') {
                return (watch, report);
            }
            report.push('\n');
        }
    }

    /// The next line.
    #[track_caller]
    fn line(&mut self) -> String {
        self.lines.recv_timeout(DEADLINE).expect("one more line")
    }

    /// The next change, without its time.
    #[track_caller]
    fn change(&mut self) -> String {
        let line = self.line();
        let (time, change) = line.split_once("  ").unwrap();
        assert!(time.len() == "2026-11-22T13:12:24.007Z".len() && time.ends_with('Z'), "{line}");
        change.to_owned()
    }

    /// Waits for a change that begins so, which has to be the next one.
    #[track_caller]
    fn tells(&mut self, beginning: &str) -> String {
        let change = self.change();
        assert!(change.starts_with(beginning), "{beginning}: {change}");
        change
    }

    /// Ends it by a signal, after which it says nothing more, and returns its code.
    #[track_caller]
    fn ended_by(mut self, signal: &str) -> Option<i32> {
        let kill = format!("kill -s {signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
        let status = eventually_some("its end", || self.child.try_wait().unwrap());
        assert_eq!(self.lines.iter().next(), None);
        status.code()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended already; there is no other way for these to fail.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn started(file: &Path, options: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let mut command = portcullis();
    command.env("RUNTIME_DIRECTORY", file.parent().unwrap());
    command.args(["audit", "--watch"]).args(options).arg(file);
    let errors = fs::File::create(file.with_extension("err")).unwrap();
    let mut child = command.stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

/// What it has said on standard error.
fn errors(file: &Path) -> String {
    fs::read_to_string(file.with_extension("err")).unwrap()
}

#[test]
fn a_socket_is_told_when_it_opens_and_when_it_closes() {
    in_namespace("audit::watch::a_socket_is_told_when_it_opens_and_when_it_closes", || {
        let program = serving(&[listener("web", PRIVATE, 8080)]);
        let (mut watch, report) = Watch::of(program.file.path(), &OFTEN);
        assert_eq!(report, audit(program.file.path(), &["--host"]).out.trim_end());
        let other = TcpListener::bind("127.0.0.1:9000").unwrap();
        let held = watch.tells("came     undeclared  -  tcp  127.0.0.1:9000  ");
        assert!(held.contains(&format!("(pid {}", std::process::id())), "{held}");
        drop(other);
        watch.tells("gone     undeclared  -  tcp  127.0.0.1:9000  ");
        assert_eq!(watch.ended_by("TERM"), Some(0), "as at the last look");
    });
}

#[test]
fn an_address_that_comes_makes_it_look_at_once() {
    in_namespace("audit::watch::an_address_that_comes_makes_it_look_at_once", || {
        let program = serving(&[listener("web", PRIVATE, 8080)]);
        let (mut watch, _) = Watch::of(program.file.path(), &WHEN_TOLD);
        let _other = TcpListener::bind("127.0.0.1:9000").unwrap();
        run("ip addr add 10.9.0.7/24 dev v0");
        watch.tells("came     undeclared  -  tcp  127.0.0.1:9000");
        assert_eq!(watch.ended_by("INT"), Some(1), "as at the last look");
    });
}

#[test]
fn a_service_that_is_started_again_is_missing_meanwhile() {
    in_namespace("audit::watch::a_service_that_is_started_again_is_missing_meanwhile", || {
        let mut program = serving(&[listener("web", PRIVATE, 8080)]);
        let (mut watch, _) = Watch::of(program.file.path(), &OFTEN);
        let path = program.file.path().display().to_string();
        let place = format!("{path}: web  tcp  10.9.0.5:8080 on v0");
        program.kill();
        watch.tells(&format!("changed  missing (was match)  {place}; no process in sight runs "));
        let file = std::mem::replace(&mut program.file, ServiceFile::new(""));
        let _again = Program::serving_file(file);
        watch.tells(&format!("changed  match (was missing)  {place}  portcullis (pid "));
        assert_eq!(watch.ended_by("TERM"), Some(0));
    });
}

#[test]
fn an_upgrade_that_keeps_the_sockets_is_silent() {
    const UPGRADES: u8 = 3;
    in_namespace("audit::watch::an_upgrade_that_keeps_the_sockets_is_silent", || {
        veth(&["10.9.0.5/24"]);
        let text = HEAD.replace("runtime: { admin: none }\n", "");
        let mut program = Program::serving(&(text + &listener("web", PRIVATE, 8080)));
        let (mut watch, report) = Watch::of(program.file.path(), &WHEN_TOLD);
        assert!(report.ends_with("audit: 2 match; live is as declared"), "{report}");
        for upgrade in 0..UPGRADES {
            // A look may come at any time of it.
            run(&format!("ip addr add 10.9.1.{upgrade}/24 dev v0"));
            program.upgrade();
        }
        let _other = TcpListener::bind("127.0.0.1:9000").unwrap();
        run("ip addr add 10.9.0.7/24 dev v0");
        watch.tells("came     undeclared  -  tcp  127.0.0.1:9000");
        assert_eq!(watch.ended_by("TERM"), Some(1));
    });
}

#[test]
fn a_file_that_means_nothing_any_more_is_told_once_and_what_it_meant_is_kept() {
    let test =
        "audit::watch::a_file_that_means_nothing_any_more_is_told_once_and_what_it_meant_is_kept";
    in_namespace(test, || {
        let program = serving(&[listener("web", PRIVATE, 8080)]);
        let path = program.file.path();
        let good = fs::read_to_string(path).unwrap();
        let (mut watch, _) = Watch::of(path, &OFTEN);
        program.signal("STOP");
        let told = |event: &str, what: &str| {
            let (shown, kept) = (path.display(), "what was read before is kept");
            format!("{event:<7}  unseen: {}; {kept}", what.replace("FILE", &format!("`{shown}`")))
        };
        program.file.replace("portcullis: 1\nlisteners: [\n");
        let refused = "cannot audit by FILE: it has no meaning to compare";
        assert_eq!(watch.change(), told("came", refused));
        let other = TcpListener::bind("127.0.0.1:9000").unwrap();
        watch.tells("came     undeclared");
        drop(other);
        watch.tells("gone     undeclared");
        assert_eq!(errors(path).matches("error[PC0001]").count(), 1, "{}", errors(path));
        // It says something else, and then nothing.
        program.file.replace(&(HEAD.to_owned() + &listener("web", PRIVATE, 8081)));
        watch.tells("came     missing  ");
        watch.tells("came     undeclared  ");
        watch.tells("gone     match  ");
        assert_eq!(watch.change(), told("gone", refused));
        program.file.replace(&good);
        watch.tells("came     match  ");
        watch.tells("gone     missing  ");
        watch.tells("gone     undeclared  ");
        fs::remove_file(path).unwrap();
        let absent = "cannot read FILE: No such file or directory (os error 2)";
        assert_eq!(watch.change(), told("came", absent));
        assert_eq!(watch.ended_by("TERM"), Some(3), "what it meant is not what it means");
    });
}

#[test]
fn a_host_that_lacks_what_is_declared_is_told_and_the_sockets_are_still_compared() {
    let test = "audit::watch::a_host_that_lacks_what_is_declared_is_told_and_the_sockets_are_still_compared";
    in_namespace(test, || {
        let program = serving(&[listener("web", PRIVATE, 8080)]);
        let (mut watch, _) = Watch::of(program.file.path(), &WHEN_TOLD);
        run("ip addr del 10.9.0.5/24 dev v0");
        let told = watch.tells("came     unseen: cannot audit `");
        assert!(told.contains("it has no plan on this host"), "{told}");
        // Standard error is another stream, and may come a moment later.
        let why = "this host lacks the private address 10.9.0.5";
        eventually(why, || errors(program.file.path()).contains(why));
        run("ip addr add 10.9.0.5/24 dev v0");
        watch.tells("gone     unseen: cannot audit `");
        assert_eq!(watch.ended_by("TERM"), Some(0));
    });
}

#[test]
fn a_look_that_comes_to_nothing_is_told_and_counts_as_the_last() {
    in_namespace(
        "audit::watch::a_look_that_comes_to_nothing_is_told_and_counts_as_the_last",
        || {
            let program = serving(&[listener("web", PRIVATE, 8080)]);
            let (mut watch, _) = Watch::of(program.file.path(), &OFTEN);
            let pid = watch.child.id();
            let may_open = |files: u32| {
                run(&format!("prlimit --pid {pid} --nofile={files}:"));
            };
            may_open(3);
            let blind = "cannot read this host's addresses: Too many open files (os error 24)";
            assert_eq!(watch.change(), format!("came     unseen: {blind}"));
            may_open(64);
            assert_eq!(watch.change(), format!("gone     unseen: {blind}"));
            may_open(3);
            assert_eq!(watch.change(), format!("came     unseen: {blind}"));
            assert_eq!(watch.ended_by("TERM"), Some(3));
        },
    );
}

#[test]
fn json_has_the_whole_report_on_one_line_and_then_a_line_for_each_change() {
    let test =
        "audit::watch::json_has_the_whole_report_on_one_line_and_then_a_line_for_each_change";
    in_namespace(test, || {
        let program = serving(&[listener("web", PRIVATE, 8080)]);
        let path = program.file.path();
        let (mut watch, report) = Watch::of(path, &[&OFTEN[..], &["--format", "json"]].concat());
        let whole = audit(path, &["--host", "--format", "json"]).out;
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(parsed(&report), parsed(&whole));
        let _other = TcpListener::bind("127.0.0.1:9000").unwrap();
        let mut change = parsed(&watch.line());
        assert!(change["time"].take().as_str().unwrap().ends_with('Z'));
        let mut rows = parsed(&audit(path, &["--host", "--format", "json"]).out);
        let row = rows["rows"][1].take();
        assert_eq!(
            change,
            serde_json::json!({
                "schema": "portcullis.audit-change/1", "time": null, "exit": 1, "change": "came",
                "was": [], "row": row, "unseen": null, "note": null,
            })
        );
        program.signal("STOP");
        program.file.replace(&(HEAD.to_owned() + &listener("web", "loopback", 8080)));
        let change = parsed(&watch.line());
        assert_eq!(change["row"]["listener"], "web");
        assert_eq!((&change["change"], &change["was"][0]), (&"changed".into(), &"match".into()));
    });
}

#[test]
fn gauges_are_whole_whenever_they_are_read() {
    in_namespace("audit::watch::gauges_are_whole_whenever_they_are_read", || {
        let program = serving(&[listener("web", PRIVATE, 8080)]);
        let gauges = program.file.beside("portcullis.prom");
        let options = ["--host", "--textfile", gauges.to_str().unwrap()];
        assert_eq!(audit(program.file.path(), &options).code, Some(0));
        let read = || fs::read_to_string(&gauges).unwrap();
        let first = read();
        let (watch, _) =
            Watch::of(program.file.path(), &[&options[..], &["--every", "1s"]].concat());
        let is_whole = |text: &str| {
            let shape = |text: &str| -> Vec<String> {
                let name = |line: &str| line.rsplit_once(' ').unwrap().0.to_owned();
                text.lines().map(name).collect()
            };
            shape(text) == shape(&first) && text.ends_with('\n')
        };
        let becomes = |line: &str| {
            eventually(line, || {
                let text = read();
                assert!(is_whole(&text), "{text}");
                text.contains(line)
            });
        };
        becomes("portcullis_audit_rows{status=\"match\"} 1\n");
        let other = TcpListener::bind("127.0.0.1:9000").unwrap();
        becomes("portcullis_audit_rows{status=\"undeclared\"} 1\n");
        becomes("portcullis_audit_exit_code 1\n");
        drop(other);
        becomes("portcullis_audit_exit_code 0\n");
        drop(watch);
        let nowhere = ["--textfile", "/nowhere/portcullis.prom"];
        let ended = audit(program.file.path(), &nowhere);
        assert!(ended.code == Some(4) && ended.err.contains("cannot write `/nowhere"), "{ended:?}");
    });
}

#[test]
fn it_ends_when_nobody_reads_it_any_more() {
    in_namespace("audit::watch::it_ends_when_nobody_reads_it_any_more", || {
        let program = serving(&[listener("web", PRIVATE, 8080)]);
        let (mut child, out) = started(program.file.path(), &OFTEN);
        let first = out.lines().next().unwrap().unwrap();
        assert!(first.starts_with("network namespace "), "{first}");
        let status = eventually_some("its end", || child.try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "as at the last look");
    });
}

#[test]
fn what_makes_no_sense_is_a_wrong_command_line() {
    for arguments in [
        &["--every", "5s", "a.yaml"][..],
        &["--watch", "--every", "999ms", "a.yaml"],
        &["--watch", "--every", "5", "a.yaml"],
        &["--watch"],
        &["--watch", "--emit-declaration"],
        &["--textfile", "a.prom", "--emit-declaration"],
    ] {
        assert_eq!(Ended::with([&["audit"], arguments].concat()).code, Some(2), "{arguments:?}");
    }
    // What is wrong with the files at the first look ends it.
    assert_eq!(Ended::with(["audit", "--watch", "/nowhere"]).code, Some(3));
}
