use proptest::prelude::*;

use super::*;
use crate::audit::{end::Transport, live::Held, report::Seen, report::Verdict, text};

const AT: &str = "2026-11-22T13:12:24.007Z";
const TCP: Kind = Kind::Ip(Transport::Tcp);

fn held(pid: u32, program: &str) -> Held {
    let (name, program) = (format!("n{pid}"), Some(program.to_owned()));
    Held { user: Some("root".to_owned()), processes: vec![Process { pid, name, program }] }
}

fn seen(socket: &str, held: Held) -> Seen {
    Seen { socket: socket.to_owned(), count: 1, held }
}

/// What a file declares at port 8080, held by this process.
fn declared(pid: u32, statuses: &[Status]) -> Row {
    let verdict = |status: &Status| Verdict::of(*status, [format!("why, says {pid}")]);
    Row {
        file: Some("web.yaml".to_owned()),
        listener: Some("web".to_owned()),
        kind: TCP,
        port: Some(8080),
        declared: vec!["10.9.0.5:8080".to_owned()],
        live: vec![seen("10.9.0.5:8080", held(pid, "/usr/bin/portcullis"))],
        verdicts: statuses.iter().map(verdict).collect(),
    }
}

fn undeclared(pid: u32, program: &str) -> Row {
    Row {
        file: None,
        listener: None,
        kind: TCP,
        port: Some(9000),
        declared: Vec::new(),
        live: vec![seen("127.0.0.1:9000", held(pid, program))],
        verdicts: vec![Verdict::of(Status::Undeclared, None)],
    }
}

fn report(rows: impl IntoIterator<Item = Row>) -> Report {
    Report { rows: rows.into_iter().collect(), ..Report::default() }
}

/// The changes as people read them, without the time.
fn told(before: &Report, after: &Report) -> Vec<String> {
    let line = |it: &Change<'_>| text::change(it, AT).strip_prefix(AT).unwrap().trim().to_owned();
    between(before, after).iter().map(line).collect()
}

#[test]
fn a_row_comes_changes_and_goes() {
    let (none, web) = (report([]), report([declared(1, &[])]));
    let two = report([declared(1, &[]), undeclared(7, "/usr/bin/nc")]);
    let came = "came     undeclared  -  tcp  127.0.0.1:9000  n7 (pid 7, /usr/bin/nc), user root";
    assert_eq!(told(&web, &two), [came]);
    assert_eq!(told(&two, &web), [came.replace("came    ", "gone    ")]);
    let held = "web.yaml: web  tcp  10.9.0.5:8080  n1 (pid 1, /usr/bin/portcullis), user root";
    assert_eq!(told(&none, &web), [format!("came     match  {held}")]);
    let worse = report([declared(1, &[Status::Wider, Status::Lapsed])]);
    let why = "why, says 1; why, says 1";
    assert_eq!(told(&web, &worse), [format!("changed  wider, lapsed (was match)  {held}; {why}")]);
    let better = report([declared(1, &[Status::Wider])]);
    assert_eq!(
        told(&worse, &better),
        [format!("changed  wider (was wider, lapsed)  {held}; why, says 1")]
    );
}

#[test]
fn where_nothing_listens_a_row_shows_what_is_declared() {
    let missing = Row { live: Vec::new(), ..declared(1, &[Status::Missing]) };
    assert_eq!(
        told(&report([declared(1, &[])]), &report([missing])),
        ["changed  missing (was match)  web.yaml: web  tcp  10.9.0.5:8080; why, says 1"]
    );
}

#[test]
fn another_process_on_the_same_sockets_is_no_news() {
    for (before, after) in [
        (declared(1, &[]), declared(2, &[])),
        (declared(1, &[Status::Foreign]), declared(2, &[Status::Foreign])),
        (undeclared(1, "/usr/bin/nc"), undeclared(2, "/usr/bin/nc")),
        // The program was updated, and is started again.
        (undeclared(1, "/usr/bin/nc (deleted)"), undeclared(2, "/usr/bin/nc")),
    ] {
        assert_eq!(told(&report([before.clone()]), &report([after.clone()])), [""; 0]);
        let both = report([before.clone(), after]);
        assert_eq!(told(&report([before]), &both), [""; 0], "there is one more of them");
    }
}

#[test]
fn another_program_or_user_on_an_undeclared_socket_is_news() {
    let before = undeclared(1, "/usr/bin/nc");
    let mut user = before.clone();
    user.live[0].held.user = Some("nobody".to_owned());
    for after in [undeclared(1, "/usr/bin/python3"), user] {
        assert_eq!(between(&report([before.clone()]), &report([after])).len(), 2);
    }
}

#[test]
fn a_port_whose_addresses_change_is_the_same_row() {
    let before = declared(1, &[]);
    let mut after = before.clone();
    after.declared.push("10.9.1.5:8080".to_owned());
    after.live.push(seen("10.9.1.5:8080", held(1, "/usr/bin/portcullis")));
    assert_eq!(told(&report([before.clone()]), &report([after])), [""; 0]);
    let another = Row { port: Some(8081), ..before.clone() };
    assert_eq!(between(&report([before]), &report([another])).len(), 2);
}

#[test]
fn what_cannot_be_seen_is_told_once_whichever_process_it_is() {
    let hidden = |pid| Report {
        unseen: vec![Unseen { what: "a process".to_owned(), pid: Some(pid) }],
        notes: vec!["waiting: web: no address".to_owned()],
        ..Report::default()
    };
    assert_eq!(
        told(&Report::default(), &hidden(7)),
        ["came     unseen: a process (pid 7)", "came     waiting: web: no address"]
    );
    assert_eq!(told(&hidden(7), &hidden(8)), [""; 0]);
    assert_eq!(
        told(&hidden(8), &Report::default()),
        ["gone     unseen: a process (pid 8)", "gone     waiting: web: no address"]
    );
}

#[test]
fn a_change_is_one_line_whatever_it_names() {
    let mut row = undeclared(1, "/tmp/\n\u{1b}[2J");
    row.verdicts[0].says = vec!["a\nb".to_owned(), "c".repeat(1000)];
    let report = Report { unseen: vec!["a\nb".to_owned().into()], ..report([row]) };
    for line in told(&Report::default(), &report) {
        assert!(!line.contains(['\n', '\u{1b}']) && line.len() < 1000, "{line}");
    }
}

/// Reports of a small world, in which what is in one is likely to be in another.
fn reports() -> impl Strategy<Value = Report> {
    let statuses = prop::sample::subsequence(&[Status::Wider, Status::Lapsed][..], 0..=2);
    let declared = (8080..8083_u16, 1..4_u32, statuses)
        .prop_map(|(port, pid, statuses)| Row { port: Some(port), ..declared(pid, &statuses) });
    let program = prop::sample::select(&["/bin/a", "/bin/b"][..]);
    let undeclared = (1..4_u32, program).prop_map(|(pid, program)| undeclared(pid, program));
    let rows = prop::collection::vec(prop_oneof![declared, undeclared], 0..6);
    let words = || prop::collection::vec("[ab]", 0..3);
    (rows, words(), words()).prop_map(|(rows, unseen, notes)| Report {
        rows,
        unseen: unseen.into_iter().map(Unseen::from).collect(),
        notes,
        ..Report::default()
    })
}

/// What somebody knows of a report who is told of changes only.
type Model<'a> = BTreeMap<Identity<'a>, BTreeSet<Status>>;

fn model(report: &Report) -> Model<'_> {
    known(report).into_iter().map(|(identity, (_, statuses))| (identity, statuses)).collect()
}

proptest! {
    #[test]
    fn of_equal_reports_there_is_nothing_to_tell(report in reports()) {
        prop_assert_eq!(between(&report, &report).len(), 0);
    }

    #[test]
    fn who_is_told_every_change_knows_the_report(before in reports(), after in reports()) {
        let (mut told, new) = (model(&before), known(&after));
        for Change { event, what } in between(&before, &after) {
            let identity = match what {
                What::Row(row) => of_row(row),
                What::Unseen(unseen) => Identity::Unseen(&unseen.what),
                What::Note(note) => Identity::Note(note),
            };
            match event {
                Event::Gone => prop_assert!(told.remove(&identity).is_some()),
                Event::Came => {
                    let statuses = new[&identity].1.clone();
                    prop_assert!(told.insert(identity, statuses).is_none());
                }
                Event::Changed { was } => {
                    let statuses = new[&identity].1.clone();
                    prop_assert_eq!(told.insert(identity, statuses), Some(was));
                }
            }
        }
        prop_assert_eq!(told, model(&after));
    }
}
