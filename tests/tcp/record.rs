//! What a session leaves behind: a line in the access log, a row on the status page.

use std::{
    collections::BTreeSet, fs, io::Write as _, net::Shutdown, os::unix::fs::PermissionsExt as _,
};

use crate::support::{
    Answering, LOOPBACK, Program, ServiceFile,
    client::{ask, ask_over, connect, finish, read_to_end},
    eventually,
    http::{get, get_over},
    one_listener,
};

fn logged(backend: &Answering, log: &str) -> String {
    let forward = format!("forward: {}", backend.address());
    one_listener(&[LOOPBACK, &forward]) + &format!("runtime: {{ access_log: {log} }}\n")
}

/// What a record tells, in the order of a line.
const FIELDS: [&str; 10] = [
    "time",
    "listener",
    "client",
    "local",
    "backend",
    "bytes_to_backend",
    "bytes_to_client",
    "duration_ms",
    "outcome",
    "generation",
];

#[test]
fn a_record_in_json_says_who_where_how_much_and_why_it_ended() {
    let backend = Answering::tcp("b");
    let mut program = Program::serving(&logged(&backend, "{ format: json, to: stdout }"));
    let client = connect(program.address("web"));
    let from = client.local_addr().unwrap().to_string();
    assert_eq!(ask_over(&client, "hello"), "b: hello");
    finish(&client);
    assert!(read_to_end(&client).is_empty());
    let record = program.record();
    let keys: BTreeSet<_> = record.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, BTreeSet::from(FIELDS));
    assert_eq!(record["listener"], "web");
    assert_eq!(record["client"], from);
    assert_eq!(record["local"], program.address("web").to_string());
    assert_eq!(record["backend"], backend.address().to_string());
    assert_eq!(record["bytes_to_backend"], "hello\n".len());
    assert_eq!(record["bytes_to_client"], "b: hello\n".len());
    assert_eq!(record["outcome"], "client_closed");
    assert_eq!(record["generation"], 1);
}

#[test]
fn a_record_in_text_has_the_same_fields() {
    let backend = Answering::tcp("b");
    let mut program = Program::serving(&logged(&backend, "{ format: text, to: stdout }"));
    ask(program.address("web"), "hello");
    let line = program.next("time=");
    let keys: Vec<_> = line.split(' ').map(|field| field.split_once('=').unwrap().0).collect();
    assert_eq!(keys, FIELDS);
    assert!(line.ends_with(" outcome=client_closed generation=1"), "{line}");
}

#[test]
fn a_session_keeps_the_generation_it_began_under() {
    let backend = Answering::tcp("b");
    let before = logged(&backend, "{ format: json, to: stdout }");
    let mut program = Program::serving(&before);
    let client = connect(program.address("web"));
    ask_over(&client, "?");
    let after = before.replace("port: 0", "port: 0\n    limits: { connections: 9 }");
    assert_eq!(program.reload(&after), 2);
    ask(program.address("web"), "?");
    assert_eq!(program.record()["generation"], 2);
    drop(client);
    assert_eq!(program.record()["generation"], 1);
}

#[test]
fn records_go_to_a_file_which_a_hangup_reopens() {
    let backend = Answering::tcp("b");
    let file = ServiceFile::new("");
    let log = file.beside("access.log");
    file.replace(&logged(&backend, &format!("{{ format: text, to: {} }}", log.display())));
    let program = Program::serving_file(file);
    let lines = |path| fs::read_to_string(path).map_or(0, |text| text.lines().count());
    ask(program.address("web"), "?");
    eventually("the first record", || lines(&log) == 1);
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o137, 0, "not for everyone");
    let rotated = program.file.beside("access.log.1");
    fs::rename(&log, &rotated).unwrap();
    program.signal("HUP");
    eventually("the new file", || log.exists());
    ask(program.address("web"), "?");
    eventually("the second record", || lines(&log) == 1);
    assert_eq!(lines(&rotated), 1);
}

#[test]
fn the_status_page_shows_every_listener_and_its_sessions() {
    let backend = Answering::tcp("b");
    let file = logged(&backend, "none").replace(
        "listeners:\n",
        &format!("service: billing-edge\nlisteners:\n  page:\n    {LOOPBACK}\n    serve: status\n"),
    );
    let program = Program::serving(&file);
    let client = connect(program.address("web"));
    ask_over(&client, "?");
    let (status, page) = get(program.address("page"), "/");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(page.contains("<h1>billing-edge</h1>"), "{page}");
    assert!(page.contains("serving, generation 1"), "{page}");
    let row = format!("<tr><td>web<td>{}<td>1<td>1", program.address("web"));
    assert!(page.contains(&row), "{row}\n{page}");
}

#[test]
fn a_probe_is_told_that_all_is_well() {
    let program = Program::serving(&one_listener(&[LOOPBACK, "serve: status"]));
    let at = program.address("web");
    assert_eq!(get(at, "/healthz"), ("HTTP/1.1 200 OK".to_owned(), "ok\n".to_owned()));
    assert_eq!(get(at, "/nothing").0, "HTTP/1.1 404 Not Found");
    // As `nc -N` asks: with the request, its output ends.
    let mut probe = connect(at);
    probe.write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    probe.shutdown(Shutdown::Write).unwrap();
    assert!(read_to_end(probe).ends_with(b"\r\n\r\nok\n"));
}

#[test]
fn the_status_page_can_be_had_on_a_path() {
    let file = ServiceFile::new("");
    let path = file.beside("status.sock");
    let expose = format!("expose: {{ unix: {{ path: {}, mode: \"0600\" }} }}", path.display());
    file.replace(&one_listener(&[&expose, "serve: status"]));
    let _program = Program::serving_file(file);
    let stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    assert_eq!(get_over(stream, "/healthz").1, "ok\n");
}
