//! `check --fix` repairs the files themselves, and what it leaves is reported.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use crate::support::{Ended, ServiceFile, portcullis};

const BAD: &str = "\
portcullis: 1
listeners:
  web:            # customers
    purpose: on   # says the pager
    expose: localhost
    port: 8080
    forward: 127.0.0.1:3000
";

fn fix(file: &ServiceFile, arguments: &[&str]) -> Ended {
    let mut command = portcullis();
    command
        .args(["check", "--fix"])
        .args(arguments)
        .arg("portcullis.yaml")
        .current_dir(file.folder());
    Ended::of(command)
}

#[test]
fn repairs_the_file_in_place_once_and_says_so() {
    let file = ServiceFile::new(BAD);
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).unwrap();
    let ended = fix(&file, &[]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), "fixed: 2 places in portcullis.yaml\n"));
    assert_eq!(ended.out, "check: 0 errors, 0 warnings in 1 file; 1 listener\n");
    let good = BAD.replace("purpose: on ", "purpose: \"on\" ").replace("localhost", "loopback");
    assert_eq!(fs::read_to_string(file.path()).unwrap(), good);
    assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o640);
    let again = fix(&file, &[]);
    assert_eq!((again.code, again.err.as_str()), (Some(0), ""));
    assert_eq!(fs::read_to_string(file.path()).unwrap(), good);
}

#[test]
fn what_is_no_repair_stays_and_is_reported() {
    let text = BAD.replace("8080", "99999");
    let file = ServiceFile::new(&text);
    let ended = fix(&file, &["--format", "github"]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.out.contains("title=PC0005 bad-value") && ended.out.lines().count() == 1,
        "{}",
        ended.out
    );
    let file = ServiceFile::new("portcullis: 1\nlisteners:\n  web:\n    expose: 0.0.0.0\n");
    let before = fs::read(file.path()).unwrap();
    assert_eq!(fix(&file, &[]).err, "");
    assert_eq!(fs::read(file.path()).unwrap(), before);
}

#[test]
fn bytes_that_are_no_text_stay_as_they_are() {
    let file = ServiceFile::new("");
    fs::write(file.path(), b"purpose: on\xff").unwrap();
    assert_eq!(fix(&file, &[]).code, Some(1));
    assert_eq!(fs::read(file.path()).unwrap(), b"purpose: on\xff");
}

#[test]
fn through_a_link_the_file_itself_is_repaired() {
    let file = ServiceFile::new("");
    fs::write(file.beside("real.yaml"), BAD).unwrap();
    fs::remove_file(file.path()).unwrap();
    symlink("real.yaml", file.path()).unwrap();
    assert_eq!(fix(&file, &[]).code, Some(0));
    assert!(file.path().is_symlink());
    assert!(fs::read_to_string(file.beside("real.yaml")).unwrap().contains("loopback"));
}
