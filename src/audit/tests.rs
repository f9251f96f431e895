//! A fake table of sockets against small files.

use std::{net::SocketAddr, path::PathBuf};

use super::{
    end::{End, Transport},
    live::{Account, Held, PathFile, PathSight, Process, Socket},
    report::{Leniency, Outcome},
    *,
};
use crate::{
    address::Date,
    compile::{self, Compiled},
    facts::{HostAddress, Link},
    source::Source,
};

const OURS: u32 = 100;
const OTHER: u32 = 200;
const STRICT: Leniency = Leniency { allow_narrower: false, best_effort: false };

fn facts() -> Facts {
    let address = |address: &str, prefix, interface| {
        HostAddress::stable(interface, address.parse().unwrap(), prefix)
    };
    Facts {
        addresses: vec![
            address("127.0.0.1", 8, "lo"),
            address("::1", 128, "lo"),
            address("10.9.0.5", 24, "eth0"),
            address("10.9.0.6", 24, "eth0"),
            address("fd00:9::5", 64, "eth0"),
            address("fe80::5", 64, "eth0"),
        ],
        links: vec![Link::up(1, "lo"), Link::up(2, "eth0"), Link::up(3, "eth1")],
        ephemeral_ports: (32_768, 60_999),
        ipv6: true,
        cores: 2,
        ..Facts::default()
    }
}

/// A file with one listener on port 8080, run by [`OURS`].
fn declaration(lines: &str) -> Declaration {
    let text =
        format!("portcullis: 1\nlisteners:\n  web:\n    port: 8080\n    serve: status\n{lines}");
    of_text(&text)
}

fn of_text(text: &str) -> Declaration {
    let source = Source::from_bytes("web.yaml", text.as_bytes()).unwrap();
    let policy = compile::read(&source).unwrap_or_else(|findings| panic!("{findings:?}")).policy;
    let plan = crate::plan::build::build(&policy, &facts()).unwrap();
    Declaration {
        file: "web.yaml".to_owned(),
        policy,
        plan,
        admin: Vec::new(),
        lapsed: BTreeMap::new(),
        processes: BTreeSet::from([OURS]),
        hidden: BTreeSet::new(),
    }
}

/// A socket as `ss` has it: `tcp 10.9.0.5:8080 eth0`, `udp *:53`.
fn socket(text: &str, pid: Option<u32>) -> Socket {
    let words: Vec<_> = text.split(' ').collect();
    let transport = if words[0] == "udp" { Transport::Udp } else { Transport::Tcp };
    let dual = words[1].strip_prefix('*');
    let local = dual.map_or_else(|| words[1].to_owned(), |port| format!("[::]{port}"));
    let local: SocketAddr = local.parse().unwrap();
    let device = words.get(2).map(|device| (*device).to_owned());
    Socket { end: End::of_socket(transport, local, dual.is_none(), device), held: held(pid) }
}

fn held(pid: Option<u32>) -> Held {
    let process = |pid| Process { pid, name: format!("p{pid}"), program: None };
    Held { user: Some("root".to_owned()), processes: pid.map(process).into_iter().collect() }
}

fn ours(sockets: &[&str]) -> Live {
    live(&sockets.iter().map(|text| (*text, Some(OURS))).collect::<Vec<_>>())
}

fn live(sockets: &[(&str, Option<u32>)]) -> Live {
    let sockets = sockets.iter().map(|(text, pid)| socket(text, *pid)).collect();
    Live { sockets, ..Live::default() }
}

fn report_of(declaration: &Declaration, live: &Live, scope: Scope) -> Report {
    audit(&Given {
        declarations: std::slice::from_ref(declaration),
        facts: &facts(),
        live,
        scope,
        ephemeral_udp: EphemeralUdp::Report,
    })
}

/// The statuses of all rows.
fn statuses(declaration: &Declaration, live: &Live) -> Vec<Vec<&'static str>> {
    let words = |row: &Row| match row.statuses().map(Status::word).collect::<Vec<_>>() {
        none if none.is_empty() => vec!["match"],
        words => words,
    };
    report_of(declaration, live, Scope::Ours).rows.iter().map(words).collect()
}

const LOOPBACK: &str = "    expose: loopback\n";
const PRIVATE: &str = "    expose: { private: { address: 10.9.0.5 } }\n";
const ANY: &str = "    expose: { any: { families: [v4, v6] } }\n";
const ANY4: &str = "    expose: { any: { families: [v4] } }\n";

#[test]
fn sets_are_compared_and_not_text() {
    for (declared, there, expected) in [
        (LOOPBACK, &["tcp 127.0.0.1:8080 lo", "tcp [::1]:8080 lo"][..], &["match"][..]),
        (LOOPBACK, &["tcp [::ffff:127.0.0.1]:8080 lo", "tcp [::1]:8080 lo"], &["match"]),
        // A pin that is lost, a family that is gone, and both.
        (LOOPBACK, &["tcp 127.0.0.1:8080", "tcp [::1]:8080 lo"], &["wider"]),
        (LOOPBACK, &["tcp 127.0.0.1:8080 lo"], &["narrower"]),
        (LOOPBACK, &["tcp 127.0.0.1:8080"], &["differs"]),
        (LOOPBACK, &["tcp *:8080"], &["wider"]),
        (LOOPBACK, &["tcp *:8080 lo"], &["wider"]),
        (LOOPBACK, &[], &["missing"]),
        (PRIVATE, &["tcp 10.9.0.5:8080 eth0"], &["match"]),
        (PRIVATE, &["tcp 10.9.0.5:8080"], &["wider"]),
        (PRIVATE, &["tcp 0.0.0.0:8080 eth0"], &["wider"]),
        (PRIVATE, &["tcp [::ffff:0.0.0.0]:8080"], &["wider"]),
        (PRIVATE, &["tcp [::]:8080"], &["missing", "undeclared"]),
        (PRIVATE, &["tcp 10.9.0.5:8080 eth1"], &["missing", "undeclared"]),
        (PRIVATE, &["tcp 10.9.0.6:8080 eth0"], &["missing", "undeclared"]),
        (PRIVATE, &["udp 10.9.0.5:8080 eth0"], &["missing", "undeclared"]),
        // One that lingers inside the other after a reload is no drift.
        (ANY, &["tcp 0.0.0.0:8080", "tcp [::]:8080", "tcp 10.9.0.5:8080 eth0"], &["match"]),
        (ANY, &["tcp 0.0.0.0:8080", "tcp [::]:8080 eth0"], &["narrower"]),
        // The very same set, and yet not the sockets that the file is about.
        // Two sockets or one for both families: nobody can tell from outside.
        (ANY, &["tcp *:8080"], &["match"]),
        (ANY4, &["tcp 0.0.0.0:8080"], &["match"]),
        (ANY4, &["tcp *:8080"], &["wider"]),
        (ANY4, &["tcp 10.9.0.5:8080"], &["narrower"]),
        (ANY4, &["tcp *:8080 eth0"], &["differs"]),
    ] {
        let found = statuses(&declaration(declared), &ours(there));
        let expected: Vec<_> = expected.iter().map(|word| vec![*word]).collect();
        assert_eq!(found, expected, "{declared}{there:?}");
    }
}

#[test]
fn what_is_gained_is_named_with_a_flow_for_an_example() {
    for (declared, there, expected) in [
        (
            PRIVATE,
            "tcp 10.9.0.5:8080",
            &["gained 10.9.0.5 over every interface besides eth0: 8.8.8.8 → 10.9.0.5:8080"][..],
        ),
        (
            LOOPBACK,
            "tcp *:8080",
            &[
                "gained every IPv4 address over every interface: 8.8.8.8 → 192.0.2.1:8080, standing for every IPv4 address",
                "gained of this host now 10.9.0.5, 10.9.0.6",
                "gained every IPv6 address over every interface: 2001:4860:4860::8888 → [2001:db8::1]:8080, standing for every IPv6 address",
                "gained of this host now fd00:9::5, fe80::5",
            ],
        ),
        (
            "    expose: { any: { families: [v6] } }\n",
            "tcp *:8080",
            &[
                "gained every IPv4 address over every interface: 8.8.8.8 → 192.0.2.1:8080, standing for every IPv4 address",
                "gained of this host now 127.0.0.1, 10.9.0.5, 10.9.0.6",
            ],
        ),
    ] {
        let report = report_of(&declaration(declared), &ours(&[there]), Scope::Ours);
        assert_eq!(report.rows[0].verdicts[0].says, expected);
    }
}

#[test]
fn whose_a_socket_is_decides() {
    let web = declaration(PRIVATE);
    let mut hidden = declaration(PRIVATE);
    hidden.processes.clear();
    hidden.hidden.insert(OURS);
    let mut down = declaration(PRIVATE);
    down.processes.clear();
    let at = |pid| live(&[("tcp 10.9.0.5:8080 eth0", pid)]);
    for (declaration, pid, expected) in [
        (&web, Some(OURS), "match"),
        (&web, Some(OTHER), "foreign"),
        // All of ours are known, so it is another's even if nobody in sight has it.
        (&web, None, "foreign"),
        (&hidden, None, "unknown"),
        (&down, None, "unknown"),
        (&down, Some(OTHER), "foreign"),
    ] {
        assert_eq!(statuses(declaration, &at(pid)), [[expected]], "{pid:?}");
    }
    // Another that has it too, such as the manager that passed it on, does not make it foreign.
    let mut both = at(Some(OURS));
    both.sockets[0].held.processes.extend(held(Some(1)).processes);
    assert_eq!(statuses(&web, &both), [["match"]]);
}

#[test]
fn others_sockets_shadow_where_the_kernel_prefers_them_or_takes_turns() {
    for (declared, our, their, expected) in [
        (ANY4, "tcp 0.0.0.0:8080", "tcp 10.9.0.5:8080", "shadowed"),
        (ANY4, "tcp 0.0.0.0:8080", "tcp 0.0.0.0:8080", "shadowed"),
        (ANY4, "tcp 0.0.0.0:8080", "tcp 0.0.0.0:8080 eth0", "shadowed"),
        (ANY4, "tcp 0.0.0.0:8080", "tcp *:8080", "match"),
        (ANY4, "tcp 0.0.0.0:8080", "tcp [::]:8080", "match"),
        (PRIVATE, "tcp 10.9.0.5:8080 eth0", "tcp 0.0.0.0:8080", "match"),
        (PRIVATE, "tcp 10.9.0.5:8080 eth0", "tcp 10.9.0.5:8080", "match"),
        (PRIVATE, "tcp 10.9.0.5:8080 eth0", "tcp 10.9.0.5:8080 eth1", "match"),
        (PRIVATE, "tcp 10.9.0.5:8080 eth0", "udp 10.9.0.5:8080 eth0", "match"),
    ] {
        let table = live(&[(our, Some(OURS)), (their, Some(OTHER))]);
        assert_eq!(statuses(&declaration(declared), &table), [[expected]], "{our} {their}");
    }
}

#[test]
fn a_part_that_another_has_is_told_beside_what_is_missing() {
    let table = live(&[("tcp 10.9.0.5:8080", Some(OTHER))]);
    let report = report_of(&declaration(ANY4), &table, Scope::Ours);
    let says = &report.rows[0].verdicts[0].says;
    assert_eq!(report.rows[0].status(), Status::Missing);
    assert_eq!(*says, ["10.9.0.5:8080 has a part of it, held by p200 (pid 200), user root"]);
}

#[test]
fn members_of_a_group_are_counted() {
    let web = declaration(&format!("{PRIVATE}    fanout: 2\n"));
    let one = "tcp 10.9.0.5:8080 eth0";
    for (count, expected) in [(1, "differs"), (2, "match"), (3, "differs")] {
        assert_eq!(statuses(&web, &ours(&vec![one; count])), [[expected]], "{count}");
    }
    // How many cores the process may use cannot be seen from here.
    let cores = declaration(&format!("{PRIVATE}    fanout: per_core\n"));
    assert_eq!(statuses(&cores, &ours(&[one; 5])), [["match"]]);
}

#[test]
fn a_host_that_routes_loopback_addresses_in_exposes_what_is_not_tied() {
    let mut table = ours(&["tcp 127.0.0.1:8080", "tcp [::1]:8080 lo"]);
    let loopback = declaration(LOOPBACK);
    assert_eq!(statuses(&loopback, &table), [["wider"]]);
    table.route_localnet = vec!["eth0".to_owned()];
    assert_eq!(statuses(&loopback, &table), [["wider", "exposed-by-host"]]);
    let mut tied = ours(&["tcp 127.0.0.1:8080 lo", "tcp [::1]:8080 lo"]);
    tied.route_localnet = vec!["eth0".to_owned()];
    assert_eq!(statuses(&loopback, &tied), [["match"]]);
}

#[test]
fn what_is_beyond_the_files_is_judged_as_far_as_was_asked() {
    let web = declaration(PRIVATE);
    let table = live(&[
        ("tcp 10.9.0.5:8080 eth0", Some(OURS)),
        ("tcp 0.0.0.0:22", Some(OTHER)),
        ("tcp 0.0.0.0:22", Some(OTHER)),
        ("udp *:53", None),
        ("udp 0.0.0.0:40000", Some(OTHER)),
        // Less than what is declared: shadowing is told of there.
        ("tcp 10.9.0.5:8080 eth0", Some(OTHER)),
        // More than what is declared.
        ("tcp 0.0.0.0:8080", Some(OTHER)),
    ]);
    assert_eq!(report_of(&web, &table, Scope::Ours).rows.len(), 1);
    let host = report_of(&web, &table, Scope::Host);
    let shown: Vec<_> =
        host.rows.iter().map(|row| (row.status().word(), &*row.live[0].socket)).collect();
    assert_eq!(
        shown,
        [
            ("shadowed", "10.9.0.5:8080 on eth0"),
            ("undeclared", "0.0.0.0:22"),
            ("undeclared", "0.0.0.0:8080"),
            ("undeclared", "*:53"),
            ("undeclared", "0.0.0.0:40000"),
        ]
    );
    assert_eq!(host.rows[1].live[0].count, 2);
    let ignoring = audit(&Given {
        declarations: &[web],
        facts: &facts(),
        live: &table,
        scope: Scope::Host,
        ephemeral_udp: EphemeralUdp::Ignore,
    });
    assert_eq!((ignoring.rows.len(), ignoring.ignored), (4, 1));
}

#[test]
fn what_others_have_beside_ours_is_told_once() {
    let rows = |declared, live: &Live| -> Vec<_> {
        let report = report_of(&declaration(declared), live, Scope::Host);
        let words = |row: &Row| row.statuses().map(Status::word).collect::<Vec<_>>().join(",");
        report.rows.iter().map(|row| format!("{} {}", words(row), row.live[0].socket)).collect()
    };
    // A dual-stack socket of another gets nothing while ours are there, and is there all the same.
    let beside =
        [("tcp 0.0.0.0:8080", Some(OURS)), ("tcp [::]:8080", Some(OURS)), ("tcp *:8080", None)];
    assert_eq!(rows(ANY, &live(&beside)), [" 0.0.0.0:8080", "undeclared *:8080"]);
    // One family is another's, and ours of the other has lost its interface.
    let mixed = [("tcp 127.0.0.1:8080 lo", Some(OTHER)), ("tcp [::1]:8080", Some(OURS))];
    assert_eq!(rows(LOOPBACK, &live(&mixed)), ["wider,foreign [::1]:8080"]);
}

#[test]
fn a_path_is_judged_by_its_file_and_its_holder() {
    let web = of_text(
        "portcullis: 1\nlisteners:\n  web:\n    expose: { unix: { path: /run/a.sock, mode: \"0660\", owner: web } }\n    serve: status\n",
    );
    let file = |mode, owner: &str, listens| PathFile {
        mode,
        owner: Account { id: 7, name: Some(owner.to_owned()) },
        group: Account { id: 7, name: None },
        listens,
    };
    let has = |pid| Some(held(Some(pid)));
    for (sight, expected) in [
        (PathSight::File(file(0o140_660, "web", has(OURS))), &["match"][..]),
        (PathSight::File(file(0o140_666, "web", has(OURS))), &["wider"]),
        (PathSight::File(file(0o140_600, "web", has(OURS))), &["narrower"]),
        (PathSight::File(file(0o140_660, "mallory", has(OURS))), &["differs"]),
        (PathSight::File(file(0o140_606, "web", has(OTHER))), &["foreign", "differs"]),
        (PathSight::File(file(0o140_660, "web", None)), &["missing"]),
        (PathSight::Absent, &["missing"]),
        (PathSight::Unseen("Permission denied".to_owned()), &["unknown"]),
    ] {
        let mut table = Live::default();
        table.paths.insert(PathBuf::from("/run/a.sock"), sight.clone());
        assert_eq!(statuses(&web, &table), [expected], "{sight:?}");
    }
    let mut table = Live::default();
    table
        .paths
        .insert(PathBuf::from("/run/a.sock"), PathSight::File(file(0o660, "web", has(OURS))));
    table.other_paths = vec![("/b".into(), held(Some(OURS))), ("/c".into(), held(Some(OTHER)))];
    assert_eq!(statuses(&web, &table), [["match"], ["undeclared"]]);
}

#[test]
fn drift_outweighs_what_was_not_seen() {
    let web = declaration(PRIVATE);
    let outcome = |live: &Live, allow_narrower, best_effort| {
        report_of(&web, live, Scope::Ours).outcome(Leniency { allow_narrower, best_effort })
    };
    let mut table = ours(&["tcp 10.9.0.5:8080 eth0"]);
    assert_eq!(outcome(&table, false, false), Outcome::Equal);
    table.unseen.push("the UDP sockets".to_owned());
    assert_eq!(outcome(&table, false, false), Outcome::Unseen);
    assert_eq!(outcome(&table, false, true), Outcome::Equal);
    table.sockets[0] = socket("tcp 0.0.0.0:8080", Some(OURS));
    assert_eq!(outcome(&table, true, true), Outcome::Drift);
    let any = report_of(&declaration(ANY), &ours(&["tcp 0.0.0.0:8080"]), Scope::Ours);
    assert_eq!(any.outcome(STRICT), Outcome::Drift);
    assert_eq!(any.outcome(Leniency { allow_narrower: true, ..STRICT }), Outcome::Equal);
}

#[test]
fn what_allowed_a_listener_ends() {
    let text = |end: &str| format!("{ANY4}    allow: {{ reason: a test, expires: {end} }}\n");
    let today = Date::read("2026-11-22").unwrap();
    for (end, expected) in [("2026-11-22", "match"), ("2026-11-21", "lapsed")] {
        let mut web = declaration(&text(end));
        let exposure = crate::exposure::Exposure::on(&web.policy, &facts(), Some(&web.plan));
        web.lapsed = lapse::lapsed(&web.policy, &exposure, &[], today);
        assert_eq!(statuses(&web, &ours(&["tcp 0.0.0.0:8080"])), [[expected]], "{end}");
    }
}

#[test]
fn a_first_file_parses_and_grants_nothing() {
    let mut table = live(&[
        ("tcp 0.0.0.0:22", Some(OTHER)),
        ("tcp [::]:22", Some(OTHER)),
        ("tcp *:80", Some(OTHER)),
        ("tcp 127.0.0.1:81", None),
        ("tcp [::1]:82 lo", Some(OTHER)),
        ("tcp 10.9.0.5:83 eth0", Some(OTHER)),
        ("tcp 8.8.8.8:84", Some(OTHER)),
        ("tcp 203.0.113.7:84", Some(OTHER)),
        ("tcp [fe80::5]:85 eth0", Some(OTHER)),
        ("tcp *:86 eth0", Some(OTHER)),
        ("tcp 100.64.0.1:87", Some(OTHER)),
        ("tcp 169.254.1.1:88", Some(OTHER)),
        ("tcp 127.0.0.5:89", Some(OTHER)),
        ("tcp 224.0.0.1:90", Some(OTHER)),
        ("tcp *:91 eth1", Some(OTHER)),
        ("udp *:53", Some(OTHER)),
    ]);
    let hostile = "a\"\n  evil:\n    expose: \u{1b}[2J\u{202e}# */";
    table.sockets[2].held.processes[0].name = hostile.to_owned();
    table.sockets[15].held.processes[0].name = hostile.to_owned();
    let text = first_file::write(&table, &facts()).unwrap();
    assert!(
        text.is_ascii() && !text.chars().any(|sign| sign.is_control() && sign != '\n'),
        "{text}"
    );
    let source = Source::from_bytes("first.yaml", text.as_bytes()).unwrap();
    let reading = compile::read(&source).unwrap_or_else(|wrong| panic!("{wrong:#?}\n{text}"));
    assert!(reading.policy.listeners.values().all(|listener| listener.allow.is_none()));
    insta::assert_snapshot!(text);
    let given = compile::Given {
        facts: None,
        guardrails: &[],
        running: None,
        today: Date::read("2026-11-22").unwrap(),
        allow_port_zero: false,
    };
    let Compiled { findings, .. } = compile::compile(&source, &given);
    let refused =
        |code: &str| findings.iter().filter(|finding| finding.code.to_string() == code).count();
    assert_eq!((refused("PC0101"), refused("PC0102")), (2, 2), "{findings:#?}");
    assert_eq!(first_file::write(&live(&[("udp *:53", None)]), &facts()), None);
}

#[test]
fn a_hostile_name_cannot_leave_its_line() {
    let web = declaration(PRIVATE);
    let mut table = live(&[("tcp 10.9.0.5:8080 eth0", Some(OTHER)), ("tcp *:9 eth\u{1b}0", None)]);
    let hostile = "x\nmatch  web \u{1b}[2K\u{202e}\r";
    table.sockets[0].held.processes[0].name = hostile.to_owned();
    table.sockets[0].held.processes[0].program = Some(hostile.to_owned());
    table.sockets[1].held.user = Some(hostile.to_owned());
    let report = report_of(&web, &table, Scope::Host);
    let text = text::render(&report, STRICT);
    let json = serde_json::to_string(&json::form(&report, STRICT, 1)).unwrap();
    for output in [text.as_str(), &json] {
        let is_hostile = |sign: char| sign.is_control() && sign != '\n' || sign == '\u{202e}';
        assert!(!output.chars().any(is_hostile), "{output}");
    }
    assert!(!text.lines().any(|line| line.starts_with("match")), "{text}");
    assert_eq!(text.lines().count(), 6, "{text}");
}
