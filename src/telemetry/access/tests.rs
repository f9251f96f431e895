//! The log as a whole: the thread, its file, what it loses and what it never loses.

use std::fs;

use super::*;

fn record(outcome: &'static str) -> Record {
    Record {
        time: SystemTime::UNIX_EPOCH,
        listener: ListenerId::new("web"),
        client: Endpoint::Unnamed,
        local: Endpoint::Path(Path::new("/run/in").into()),
        backend: None,
        bytes_to_backend: 0,
        bytes_to_client: 0,
        duration: Duration::ZERO,
        outcome,
        generation: Generation(1),
    }
}

fn start(path: &Path) -> Writer {
    Writer::start(&policy::AccessLog { json: true, path: Some(path.to_owned()) }).unwrap()
}

#[test]
fn everything_handed_over_is_in_the_file_once_the_writer_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let writer = start(&path);
    let log = writer.log();
    for _ in 0..1000 {
        log.write(record("idle")).unwrap();
    }
    drop(log);
    drop(writer);
    assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 1000);
}

#[test]
fn after_a_rename_and_reopen_records_go_to_the_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, rotated) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let writer = start(&path);
    writer.log().write(record("before")).unwrap();
    fs::rename(&path, &rotated).unwrap();
    writer.reopen();
    writer.log().write(record("after")).unwrap();
    drop(writer);
    assert!(fs::read_to_string(rotated).unwrap().contains("before"));
    let new = fs::read_to_string(path).unwrap();
    assert!(new.contains("after") && !new.contains("before"), "{new}");
}

#[test]
fn a_path_that_cannot_be_opened_is_an_error_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let settings = policy::AccessLog { json: true, path: Some(folder.path().to_owned()) };
    assert!(Writer::start(&settings).is_err());
}

#[test]
fn a_writer_that_is_behind_costs_records_and_never_waits() {
    let (sender, receiver) = mpsc::channel(1);
    let log = Log(sender);
    assert_eq!(log.write(record("kept")), Ok(()));
    assert_eq!(log.write(record("lost")), Err(Dropped));
    drop(receiver);
}

#[test]
fn a_disk_that_is_full_does_not_end_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let mut scribe = Scribe {
        file: OpenOptions::new().write(true).open("/dev/full").unwrap(),
        path: Some(path.clone()),
        json: true,
        batch: Vec::new(),
        failing: false,
    };
    scribe.take(Entry::Record(record("lost")));
    scribe.flush();
    scribe.take(Entry::Reopen);
    scribe.take(Entry::Record(record("kept")));
    scribe.flush();
    assert!(!scribe.failing);
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains("kept") && !text.contains("lost"), "{text}");
}
