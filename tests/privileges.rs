//! Who serves: a user without privileges, confined, where the program is started with them.

use std::{
    collections::BTreeMap,
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use crate::support::{
    Ended, LOOPBACK, Program, ServiceFile,
    client::refused,
    eventually,
    http::get,
    namespace::{in_namespace_with_users, run, veth},
    one_listener, portcullis,
    program::portcullis_through,
    sockets,
};

/// A user and a group that every host has.
const NOBODY: (u32, u32) = (65_534, 65_534);

/// What a process without privileges has.
const NONE: &str = "0000000000000000";

/// A file with the status page on each of these ports of 127.0.0.1, served by nobody.
fn on_ports(ports: &[u16]) -> String {
    let listener = |port: &u16| {
        format!(
            "  p{port}:\n    expose: {{ loopback: {{ families: [v4] }} }}\n    port: {port}\n    serve: status\n"
        )
    };
    let listeners: String = ports.iter().map(listener).collect();
    format!("portcullis: 1\nlisteners:\n{listeners}runtime: {{ user: nobody }}\n")
}

fn at(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

#[track_caller]
fn serves(port: u16) {
    assert_eq!(get(at(port), "/healthz").1, "ok\n");
}

/// The fields of a thread's status that say what it may.
fn rights(status: &Path) -> BTreeMap<String, String> {
    const FIELDS: [&str; 11] = [
        "SigBlk",
        "Uid",
        "Gid",
        "Groups",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
    ];
    let text = fs::read_to_string(status).unwrap();
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    let fields = fields.filter(|(name, _)| FIELDS.contains(name));
    let words = |value: &str| value.split_whitespace().collect::<Vec<_>>().join(" ");
    fields.map(|(name, value)| (name.to_owned(), words(value))).collect()
}

/// Makes sure that no thread of the process has anything of root.
#[track_caller]
fn is_nobody(pid: u32) {
    let threads: Vec<_> = fs::read_dir(format!("/proc/{pid}/task")).unwrap().collect();
    assert!(threads.len() > 1, "it has workers");
    for thread in threads {
        let rights = rights(&thread.unwrap().path().join("status"));
        let (user, group) = (NOBODY.0.to_string(), NOBODY.1.to_string());
        assert_eq!(rights["Uid"], [user.as_str(); 4].join(" "), "{rights:?}");
        assert_eq!(rights["Gid"], [group.as_str(); 4].join(" "), "{rights:?}");
        assert_eq!(rights["Groups"], group, "{rights:?}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(rights[set], NONE, "{rights:?}");
        }
        assert_eq!(rights["SigBlk"], NONE, "{rights:?}");
        assert_eq!((&*rights["NoNewPrivs"], &*rights["Seccomp"]), ("1", "2"), "{rights:?}");
    }
}

/// The process that binds for this one.
fn binder(pid: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children
        .split_whitespace()
        .next()
        .unwrap_or_else(|| panic!("no child: {children}"))
        .parse()
        .unwrap()
}

#[test]
fn started_as_root_it_serves_as_the_user_of_the_file_and_nothing_of_root_is_left() {
    in_namespace_with_users(
        "privileges::started_as_root_it_serves_as_the_user_of_the_file_and_nothing_of_root_is_left",
        || {
            let program = Program::serving(&on_ports(&[80]));
            is_nobody(program.pid());
            serves(80);
            let status = program.status();
            assert_eq!(status["user"], "nobody");
            assert_eq!(status["binder"], binder(program.pid()));
            assert_eq!(
                rights(Path::new(&format!("/proc/{}/status", binder(program.pid()))))["Uid"],
                "0 0 0 0"
            );
            assert_eq!(
                fs::metadata(program.file.folder()).unwrap().uid(),
                NOBODY.0,
                "its runtime directory"
            );
        },
    );
}

#[test]
fn a_reload_binds_a_privileged_port_after_the_privileges_are_gone() {
    in_namespace_with_users(
        "privileges::a_reload_binds_a_privileged_port_after_the_privileges_are_gone",
        || {
            let mut program = Program::serving(&on_ports(&[8080]));
            program.reload(&on_ports(&[8080, 443]));
            serves(443);
            serves(8080);
            program.reload(&on_ports(&[443]));
            refused(at(8080));
            is_nobody(program.pid());
        },
    );
}

/// Sockets of one address have one user, or the kernel lets none join.
#[test]
fn sockets_join_those_that_were_made_before_the_privileges_were_gone() {
    in_namespace_with_users(
        "privileges::sockets_join_those_that_were_made_before_the_privileges_were_gone",
        || {
            veth(&["10.9.0.5/24"]);
            let file = |expose: &str, fanout: u16| {
                format!(
                    "portcullis: 1\nlisteners:\n  web:\n    expose: {expose}\n    port: 80\n    fanout: {fanout}\n    serve: status\n    \
                     allow: {{ reason: a test }}\n    limits: {{ connections: 1000 }}\n    timeouts: {{ idle: 5m }}\n\
                     runtime: {{ user: nobody }}\n"
                )
            };
            let any = "{ any: { families: [v4] } }";
            let mut program = Program::serving(&file(any, 1));
            program.reload(&file(any, 3));
            assert_eq!(sockets::listening(program.pid()).len(), 3, "a fan-out that grows");
            // What is narrower is bound beside what is wider and lives.
            program.reload(&file("{ private: { address: 10.9.0.5 } }", 1));
            assert_eq!(get("10.9.0.5:80".parse().unwrap(), "/healthz").1, "ok\n");
            program.upgrade();
            program.reload(&file(any, 2));
            is_nobody(program.pid());
            assert_eq!(get("10.9.0.5:80".parse().unwrap(), "/healthz").1, "ok\n");
        },
    );
}

#[test]
fn an_upgrade_serves_as_the_same_user_and_binds_what_needs_a_privilege() {
    in_namespace_with_users(
        "privileges::an_upgrade_serves_as_the_same_user_and_binds_what_needs_a_privilege",
        || {
            let mut program = Program::serving(&on_ports(&[80]));
            let (first, old) = (program.pid(), binder(program.pid()));
            for port in [443, 444] {
                program.file.replace(&on_ports(&[80, port]));
                program.upgrade();
                is_nobody(program.pid());
                serves(port);
            }
            assert_ne!(program.pid(), first);
            eventually("the first binder is gone with its process", || {
                !Path::new(&format!("/proc/{old}")).exists()
            });
            program.reload(&on_ports(&[80, 445]));
            serves(445);
        },
    );
}

#[test]
fn a_path_socket_belongs_to_the_user_who_serves_unless_the_file_says_otherwise() {
    in_namespace_with_users(
        "privileges::a_path_socket_belongs_to_the_user_who_serves_unless_the_file_says_otherwise",
        || {
            let folder = tempfile::tempdir().unwrap();
            let path = |name: &str| folder.path().join(name);
            let listener = |name: &str, owner: &str| {
                format!(
                    "  {name}:\n    expose: {{ unix: {{ path: {}, mode: \"0660\"{owner} }} }}\n    serve: status\n",
                    path(name).display()
                )
            };
            let (own, roots) = (listener("own", ""), listener("roots", ", owner: root"));
            let head = "portcullis: 1\nlisteners:\n";
            let user = "runtime: { user: nobody }\n";
            let mut program = Program::serving(&format!("{head}{own}{roots}{user}"));
            let owner = |name: &str| fs::metadata(path(name)).unwrap().uid();
            assert_eq!((owner("own"), owner("roots")), (NOBODY.0, 0));
            // Its folder is none of the user's, and yet no file is left behind.
            program.reload(&format!("{head}{own}{user}"));
            assert!(path("own").exists() && !path("roots").exists());
            program.stop();
            assert!(!path("own").exists());
        },
    );
}

#[test]
fn root_does_not_serve_unless_it_is_told_to_and_a_guardrail_may_forbid_it() {
    let file = ServiceFile::new(&one_listener(&[LOOPBACK, "serve: status"]));
    let unnamed = |file: &ServiceFile, more: &[&str]| {
        let mut command = if nix::unistd::geteuid().is_root() {
            portcullis()
        } else {
            portcullis_through(&["unshare", "--user", "--map-root-user"])
        };
        command.args(["run", "--allow-port-zero"]).arg(file.path()).args(more);
        Ended::of(command)
    };
    let ended = unnamed(&file, &[]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{ended:?}");
    for words in ["error[PC0901]", "runtime: { user: portcullis }", "runtime: { user: root }"] {
        assert!(ended.err.contains(words), "{words}\n{}", ended.err);
    }
    let guardrail = file.beside("guardrail.yaml");
    let text = "portcullis_guardrails: 1\nname: no root\nmay_expose: [loopback]\nlints: { forbid: [PC0901] }\n";
    fs::write(&guardrail, text).unwrap();
    file.replace(&(one_listener(&[LOOPBACK, "serve: status"]) + "runtime: { user: root }\n"));
    let ended = unnamed(&file, &["--guardrails", guardrail.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("error[PC0901]"), "{}", ended.err);
}

#[test]
fn whoever_cannot_serve_or_follow_the_file_is_named_before_anything_is_bound() {
    in_namespace_with_users(
        "privileges::whoever_cannot_serve_or_follow_the_file_is_named_before_anything_is_bound",
        || {
            let started = |text: &str, mode: u32| {
                let file = ServiceFile::new(text);
                fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
                let mut command = portcullis();
                command.env("RUNTIME_DIRECTORY", file.folder()).arg("run").arg(file.path());
                Ended::of(command)
            };
            // Whoever came as far as binding would complain of this instead.
            let _taken = TcpListener::bind(at(80)).unwrap();
            let text = on_ports(&[80]);
            for (text, mode, code, why) in [
                (
                    text.replace("nobody", "nobody-knows-me"),
                    0o644,
                    4,
                    "there is no user `nobody-knows-me` on this host",
                ),
                (
                    text.replace("nobody", "nobody, group: unheard-of"),
                    0o644,
                    4,
                    "there is no group `unheard-of`",
                ),
                (text.replace("nobody", "\"64321\""), 0o644, 4, "name one"),
                (text.clone(), 0o600, 3, "user `nobody`, who serves, has to be able to read it"),
            ] {
                let ended = started(&text, mode);
                assert_eq!((ended.code, ended.out.as_str()), (Some(code), ""), "{ended:?}");
                assert!(ended.err.contains(why), "{why}\n{}", ended.err);
            }
        },
    );
}

#[test]
fn who_is_not_root_keeps_a_capability_for_binding_and_serves_without_it() {
    in_namespace_with_users(
        "privileges::who_is_not_root_keeps_a_capability_for_binding_and_serves_without_it",
        || {
            let capable = portcullis_through(&[
                "setpriv",
                "--reuid=nobody",
                "--regid=65534",
                "--clear-groups",
                "--inh-caps=-all,+net_bind_service",
                "--ambient-caps=-all,+net_bind_service",
            ]);
            let file = ServiceFile::new(&on_ports(&[80]));
            run(&format!("chown 65534:65534 {}", file.folder().display()));
            let mut program = Program::serving_by(capable, file);
            let rights_of = |pid| rights(Path::new(&format!("/proc/{pid}/status")));
            let (serving, binding) = (rights_of(program.pid()), rights_of(binder(program.pid())));
            assert_eq!((&*serving["CapPrm"], &*serving["CapAmb"]), (NONE, NONE));
            assert_eq!(binding["CapEff"], "0000000000000400");
            program.reload(&on_ports(&[80, 443]));
            serves(443);
        },
    );
}

#[test]
fn an_access_log_moves_only_where_the_process_may_write_and_an_upgrade_moves_it_anywhere() {
    let elsewhere = tempfile::tempdir().unwrap();
    let logging = |path: &Path| {
        one_listener(&[LOOPBACK, "serve: status"])
            + &format!("runtime: {{ access_log: {{ format: text, to: {} }} }}\n", path.display())
    };
    let file = ServiceFile::new("");
    let (first, second) = (file.beside("first.log"), file.beside("second.log"));
    let far = elsewhere.path().join("third.log");
    file.replace(&logging(&first));
    let mut program = Program::serving_file(file);
    program.reload(&logging(&second));
    assert!(second.exists());
    program.refuse(&logging(&far));
    program.said("`portcullis upgrade`");
    program.upgrade();
    assert!(far.exists(), "the new process has a sandbox of its own");
}

#[test]
fn what_the_caller_has_left_open_does_not_come_to_the_process_that_keeps_the_privileges() {
    let leaving = portcullis_through(&["bash", "-c", "exec 99</dev/null; exec \"$0\" \"$@\""]);
    let file = ServiceFile::new(&one_listener(&[LOOPBACK, "serve: status"]));
    let program = Program::serving_by(leaving, file);
    assert!(sockets::descriptors(program.pid()).contains_key("99"), "it was left open");
    assert!(!sockets::descriptors(binder(program.pid())).contains_key("99"));
}

#[test]
fn a_binder_that_does_not_answer_keeps_nobody_from_ending_the_service() {
    let mut program = Program::serving(&one_listener(&[LOOPBACK, "serve: status"]));
    let binder = binder(program.pid());
    let stop = format!("kill -s STOP {binder}");
    assert!(Command::new("sh").args(["-c", &stop]).status().unwrap().success());
    program.stop();
    let kill = format!("kill -s KILL {binder}");
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

#[test]
fn the_signals_of_a_terminal_reach_both_processes_and_the_end_is_a_good_one() {
    let file = ServiceFile::new("");
    let path = file.beside("x.sock");
    let expose = format!("expose: {{ unix: {{ path: {}, mode: \"0600\" }} }}", path.display());
    file.replace(&one_listener(&[&expose, "serve: status"]));
    let mut program = Program::serving_file(file);
    let kill = format!("kill -s INT {} {}", binder(program.pid()), program.pid());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert_eq!(program.ended().code(), Some(0));
    assert!(!path.exists(), "the one that binds has removed it before it ended");
}

#[test]
fn without_the_binder_what_runs_goes_on_and_a_reload_says_why_it_cannot() {
    let one = one_listener(&[LOOPBACK, "serve: status"]);
    let two = format!("{one}  more:\n    {LOOPBACK}\n    serve: status\n");
    let mut program = Program::serving(&one);
    let kill = format!("kill -s KILL {}", binder(program.pid()));
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    program.said("the process that binds has ended");
    assert!(program.told(&["status"]).out.contains("the process that binds is gone"));
    program.refuse(&two);
    program.said("the process that binds cannot be asked");
    program.said("run --takeover");
    assert_eq!(get(program.address("web"), "/healthz").1, "ok\n");
}
