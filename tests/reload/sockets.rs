//! Which sockets a change touches: the inode tells one from another.

use std::{collections::BTreeSet, fs};

use crate::support::{
    Answering, LOOPBACK, Program, ServiceFile, client::ask, eventually, http::get,
    namespace::in_namespace, one_listener, program::portcullis_through, sockets,
};

fn inodes(program: &Program) -> BTreeSet<u64> {
    sockets::listening(program.pid()).into_keys().collect()
}

#[test]
fn a_change_of_policy_alone_touches_no_socket() {
    let plain = one_listener(&[LOOPBACK, "serve: status"]);
    let mut program = Program::serving(&plain);
    let before = inodes(&program);
    let changes = [
        "clients: { allow: [127.0.0.0/8] }",
        "limits: { connections: 7, per_client: 3 }",
        "timeouts: { idle: 1m, lifetime: 1h }",
        "purpose: another one",
    ];
    for (generation, line) in (2..).zip(changes) {
        let file = one_listener(&[LOOPBACK, line, "serve: status"]);
        assert_eq!(program.reload(&file), generation);
        assert_eq!(inodes(&program), before, "{line}");
    }
}

#[test]
fn an_added_listener_touches_no_other_and_a_removed_one_goes_alone() {
    let one = one_listener(&[LOOPBACK, "serve: status"]);
    let two = format!("{one}  more:\n    {LOOPBACK}\n    serve: status\n");
    let mut program = Program::serving(&one);
    let before = inodes(&program);
    program.reload(&two);
    let grown = inodes(&program);
    assert_eq!(grown.len(), 2);
    assert!(grown.is_superset(&before));
    program.reload(&one);
    assert_eq!(inodes(&program), before);
}

#[test]
fn a_listener_by_another_name_keeps_the_socket() {
    in_namespace("reload::sockets::a_listener_by_another_name_keeps_the_socket", || {
        let web = one_listener(&["expose: loopback", "port: 8080", "serve: status"]);
        let mut program = Program::serving(&web);
        let before = inodes(&program);
        assert_eq!(program.reload(&web.replace("web:", "shop:")), 2);
        assert_eq!(inodes(&program), before);
        let (_, page) = get(([127, 0, 0, 1], 8080).into(), "/");
        assert!(page.contains("<tr><td>shop<td>127.0.0.1:8080<br>[::1]:8080<td>"), "{page}");
    });
}

#[test]
fn of_a_thousand_listeners_a_change_of_one_touches_that_one() {
    const COUNT: usize = 1000;
    const CHANGED: usize = 500;
    let file = |changed: &str| {
        let listener = |number| {
            let family = if number == CHANGED { changed } else { "v4" };
            format!(
                "  l{number:04}:\n    expose: {{ loopback: {{ families: [{family}] }} }}\n    port: 0\n    serve: status\n"
            )
        };
        let listeners: String = (0..COUNT).map(listener).collect();
        format!("portcullis: 1\nlisteners:\n{listeners}")
    };
    let mut program = Program::serving(&file("v4"));
    let before = inodes(&program);
    assert_eq!((program.bound().len(), before.len()), (COUNT, COUNT), "started");
    assert_eq!(program.reload(&file("v6")), 2);
    let after = inodes(&program);
    let kept = after.intersection(&before).count();
    let (closed, opened) = (before.difference(&after).count(), after.difference(&before).count());
    assert_eq!((kept, closed, opened), (COUNT - 1, 1, 1), "kept, closed, opened");
    assert!(program.address("l0500").is_ipv6());
    assert_eq!(program.bound().values().map(Vec::len).sum::<usize>(), COUNT + 1, "READY lines");
}

#[test]
fn sockets_that_a_smaller_fanout_leaves_stay_open_serve_and_are_shown() {
    let backend = Answering::tcp("b");
    let file = |fanout: &str| {
        let (fanout, forward) =
            (format!("fanout: {fanout}"), format!("forward: {}", backend.address()));
        let web = one_listener(&[LOOPBACK, &fanout, &forward]);
        format!("{web}  status:\n    {LOOPBACK}\n    serve: status\nruntime: {{ workers: 2 }}\n")
    };
    let mut program = Program::serving(&file("none"));
    let web = program.address("web");
    let shown = |program: &Program| {
        let (_, page) = get(program.address("status"), "/");
        let (_, row) = page.split_once("<tr><td>web<td>").unwrap();
        row.split_once("<td>").unwrap().0.to_owned()
    };
    assert_eq!(shown(&program), web.to_string());
    let mut open = sockets::on(program.pid(), web);
    // Grown to the most there is, and never smaller again: each is in the hands of a worker.
    for (fanout, count) in [("per_core", 2), ("none", 2), ("3", 3), ("per_core", 3), ("none", 3)] {
        program.reload(&file(fanout));
        let now = sockets::on(program.pid(), web);
        assert_eq!(now.len(), count, "{fanout}");
        assert!(now.is_superset(&open), "{fanout}: none was closed");
        assert_eq!(shown(&program), format!("{web}, {count} sockets with SO_REUSEPORT"));
        // The kernel chooses a socket for each client, so so many meet every one of them.
        (0..64).for_each(|_| assert_eq!(ask(web, "?"), "b: ?"));
        open = now;
    }
}

/// The kernel is asked about the host, over sockets of another kind; beside those no call is made.
#[test]
fn a_file_that_means_the_same_makes_no_call_on_any_socket() {
    const CALLS: &str = "trace=socket,bind,listen,setsockopt,getsockopt,shutdown,epoll_ctl";
    // Not beside the file, where every line that is written would be a reason to look.
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("calls");
    // The program stays the child of the test (-D), and what it does is written by a grandchild.
    let strace = ["strace", "-D", "-f", "-qq", "-e", CALLS, "-o", output.to_str().unwrap()];
    let calls = || -> Vec<String> {
        let text = fs::read_to_string(&output).expect("this test needs `strace`");
        // Only the sockets by which it asks have a time limit.
        let asks = |line: &str| line.contains("NETLINK") || line.contains("SO_RCVTIMEO");
        text.lines().filter(|line| !asks(line)).map(str::to_owned).collect()
    };
    let web = one_listener(&[LOOPBACK, "fanout: per_core", "serve: status"]);
    let file =
        format!("{web}  more:\n    {LOOPBACK}\n    serve: status\nruntime: {{ workers: 2 }}\n");
    let mut program = Program::serving_by(portcullis_through(&strace), ServiceFile::new(&file));
    eventually("calls of the start", || !calls().is_empty());
    let begun = calls().len();
    for number in 0..3 {
        program.file.replace(&format!("{file}# {number}\n"));
        assert_eq!(program.next("RELOADED"), "RELOADED generation=1");
    }
    assert_eq!(calls()[begun..], [""; 0]);
    // A change that means something is seen.
    program.file.replace(&file.replace("  more:", "  other:"));
    assert_eq!(program.next("RELOADED"), "RELOADED generation=2");
    eventually("a call", || calls()[begun..].iter().any(|line| line.contains("bind(")));
}
