//! Path sockets in a folder of their own.

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::Path,
};

use super::super::path::give_away;
use super::*;
use crate::policy::UnixSocket;

fn unix(path: &Path) -> Bind {
    let spec = UnixSocket { path: path.to_owned(), mode: 0o640, owner: None, group: None };
    Bind { unix: Some(spec), ..bind_of(BindAddress::Unix(path.to_owned())) }
}

fn take_away(socket: &BoundSocket) {
    let (path, file) = socket.named_file().unwrap();
    remove(path, file).unwrap();
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_path_socket_appears_with_its_mode_when_it_listens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    let bound = open(&unix(&path), Neighbour::None).unwrap();
    assert!(!path.exists());
    let sockets = bound.listen().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(files(folder.path()), 1);
    UnixStream::connect(&path).unwrap();
    take_away(&sockets[0]);
    assert_eq!(files(folder.path()), 0);
    take_away(&sockets[0]);
}

#[test]
fn a_bind_that_is_given_up_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&unix(&folder.path().join("s.sock")), Neighbour::None).unwrap());
    assert_eq!(files(folder.path()), 0);
}

#[test]
fn the_file_belongs_to_whom_the_plan_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    let user = sys::process::user_name(sys::process::effective_user()).unwrap();
    let mut bind = unix(&path);
    bind.unix.as_mut().unwrap().owner = Some(user);
    let _socket = one(&bind);
    assert_eq!(fs::metadata(&path).unwrap().uid(), sys::process::effective_user());
}

/// Who can write in the folder of a path socket may change what is there at any moment, and what
/// binds may be root.
#[test]
fn nothing_but_the_socket_that_was_made_gets_its_owner_and_mode() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("precious"), "").unwrap();
    fs::set_permissions(at("precious"), fs::Permissions::from_mode(0o600)).unwrap();
    let _own = UnixListener::bind(at("own")).unwrap();
    let _linked = UnixListener::bind(at("linked")).unwrap();
    fs::hard_link(at("linked"), at("second")).unwrap();
    std::os::unix::fs::symlink(at("precious"), at("link")).unwrap();
    std::os::unix::fs::symlink(at("own"), at("link-to-own")).unwrap();
    for name in ["precious", "link", "link-to-own", "linked", "second"] {
        let error = give_away(&at(name), (None, None), 0o666).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{name}");
    }
    let mode = |name: &str| fs::metadata(at(name)).unwrap().mode() & 0o777;
    assert_eq!(mode("precious"), 0o600);
    give_away(&at("own"), (None, None), 0o606).unwrap();
    assert_eq!(mode("own"), 0o606);
}

#[test]
fn a_name_that_the_system_does_not_know_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut bind = unix(&folder.path().join("s.sock"));
    bind.unix.as_mut().unwrap().group = Some("no such group".into());
    let error = refused(&bind);
    assert_eq!(error.why(), ["this system knows no `no such group`"]);
    assert_eq!(files(folder.path()), 0);
}

#[test]
fn a_stale_socket_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    drop(UnixListener::bind(&path).unwrap());
    let before = fs::metadata(&path).unwrap().ino();
    let _socket = one(&unix(&path));
    assert_ne!(fs::metadata(&path).unwrap().ino(), before);
    UnixStream::connect(&path).unwrap();
}

#[test]
fn a_living_socket_is_left_alone_and_its_holder_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    let _living = UnixListener::bind(&path).unwrap();
    let error = refused(&unix(&path));
    assert_eq!(error.source.raw_os_error(), Some(98));
    let line = &error.why()[0];
    assert!(line.contains(&format!("(pid {})", std::process::id())), "{line}");
    assert_eq!(files(folder.path()), 1);
}

#[test]
fn whoever_takes_the_path_between_bind_and_listen_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    let bound = open(&unix(&path), Neighbour::None).unwrap();
    let _first = UnixListener::bind(&path).unwrap();
    let error = bound.listen().unwrap_err();
    assert_eq!((error.step, &*error.cause), (Step::Publish, &Cause::Path(PathTrouble::Held(None))));
    assert_eq!(files(folder.path()), 1);
}

#[test]
fn a_reload_replaces_an_own_socket_and_the_old_one_does_not_remove_the_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    let old = one(&unix(&path));
    let new = open(&unix(&path), Neighbour::Own).unwrap().listen().unwrap().pop().unwrap();
    take_away(&old);
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    let _client = UnixStream::connect(&path).unwrap();
    sys::socket::accept(new.as_fd()).unwrap();
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    fs::write(&path, "precious").unwrap();
    let error = refused(&unix(&path));
    assert_eq!(*error.cause, Cause::Path(PathTrouble::Occupied));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_missing_directory_and_a_path_too_long_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(&unix(&folder.path().join("none/s.sock")));
    assert_eq!(*error.cause, Cause::Path(PathTrouble::NoDirectory));
    let error = refused(&unix(&folder.path().join("x".repeat(100)).join("s.sock")));
    assert_eq!(*error.cause, Cause::Path(PathTrouble::TooLong));
    let error = refused(&unix(&folder.path().join("x".repeat(108))));
    assert_eq!(*error.cause, Cause::Path(PathTrouble::TooLong));
}

#[test]
fn a_socket_knows_when_another_has_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    let socket = one(&unix(&path));
    assert!(socket.has_its_file());
    fs::remove_file(&path).unwrap();
    assert!(!socket.has_its_file());
    let _other = UnixListener::bind(&path).unwrap();
    assert!(!socket.has_its_file());
}
