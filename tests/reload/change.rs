//! Every way in which a file comes to have another content, and the ways in which it only seems to.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::symlink,
    path::Path,
};

use crate::support::{LOOPBACK, Program, ServiceFile, as_whoever, one_listener};

/// A file that tells which version it is by the name of its one listener.
pub(super) fn version(name: &str) -> String {
    as_whoever(&one_listener(&[LOOPBACK, "serve: status"]).replace("web:", &format!("{name}:")))
}

/// Waits until the version is in force, by events or by the slow poll: nobody has asked.
#[track_caller]
pub(super) fn in_force(program: &mut Program, name: &str, generation: u64) {
    assert_eq!(program.next("RELOADED"), format!("RELOADED generation={generation}"));
    assert!(program.bound().contains_key(name), "{:?}", program.bound());
}

/// A running program and its file's path.
fn running() -> Program {
    Program::serving(&version("first"))
}

#[test]
fn a_file_written_in_place_is_taken_over() {
    let mut program = running();
    fs::write(program.file.path(), version("second")).unwrap();
    in_force(&mut program, "second", 2);
}

#[test]
fn a_file_renamed_into_place_is_taken_over_again_and_again() {
    let mut program = running();
    for (generation, name) in [(2, "second"), (3, "third"), (4, "fourth")] {
        program.file.replace(&version(name));
        in_force(&mut program, name, generation);
    }
}

#[test]
fn an_editor_that_moves_the_old_file_away_first_is_followed() {
    let mut program = running();
    for (generation, name) in [(2, "second"), (3, "third")] {
        let backup = program.file.beside("portcullis.yaml~");
        fs::rename(program.file.path(), &backup).unwrap();
        fs::write(program.file.path(), version(name)).unwrap();
        fs::remove_file(backup).unwrap();
        in_force(&mut program, name, generation);
    }
}

#[test]
fn a_file_deleted_and_created_again_is_taken_over() {
    let mut program = running();
    fs::remove_file(program.file.path()).unwrap();
    program.signal("HUP");
    program.said("the file cannot be read; what runs stays");
    fs::write(program.file.path(), version("second")).unwrap();
    in_force(&mut program, "second", 2);
}

/// Writes a version into a folder of its own, as the kubelet does with a ConfigMap.
fn config_map(folder: &Path, name: &str) {
    fs::create_dir(folder.join(name)).unwrap();
    fs::write(folder.join(name).join("portcullis.yaml"), version(name)).unwrap();
    symlink(name, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

#[test]
fn a_config_map_is_followed_through_its_data_link() {
    let file = ServiceFile::new("").at("mounted.yaml");
    let folder = file.folder().to_owned();
    config_map(&folder, "first");
    symlink("..data/portcullis.yaml", file.path()).unwrap();
    let mut program = Program::serving_file(file);
    for (generation, name, old) in [(2, "second", "first"), (3, "third", "second")] {
        config_map(&folder, name);
        fs::remove_dir_all(folder.join(old)).unwrap();
        in_force(&mut program, name, generation);
    }
}

#[test]
fn a_parent_link_that_is_pointed_elsewhere_is_noticed() {
    let file = ServiceFile::new("").at("current/portcullis.yaml");
    let folder = file.folder().to_owned();
    for name in ["first", "second"] {
        fs::create_dir(folder.join(name)).unwrap();
        fs::write(folder.join(name).join("portcullis.yaml"), version(name)).unwrap();
    }
    symlink("first", folder.join("current")).unwrap();
    let mut program = Program::serving_file(file);
    symlink("second", folder.join("new")).unwrap();
    fs::rename(folder.join("new"), folder.join("current")).unwrap();
    in_force(&mut program, "second", 2);
    // And the file behind the new link is followed from now on.
    fs::write(folder.join("second/portcullis.yaml"), version("third")).unwrap();
    in_force(&mut program, "third", 3);
}

#[test]
fn a_folder_that_is_replaced_is_noticed() {
    let file = ServiceFile::new("").at("etc/portcullis.yaml");
    let folder = file.folder().to_owned();
    for (path, name) in [("etc", "first"), ("new", "second")] {
        fs::create_dir(folder.join(path)).unwrap();
        fs::write(folder.join(path).join("portcullis.yaml"), version(name)).unwrap();
    }
    let mut program = Program::serving_file(file);
    fs::rename(folder.join("etc"), folder.join("old")).unwrap();
    fs::rename(folder.join("new"), folder.join("etc")).unwrap();
    in_force(&mut program, "second", 2);
    fs::write(folder.join("etc/portcullis.yaml"), version("third")).unwrap();
    in_force(&mut program, "third", 3);
}

#[test]
fn a_half_written_file_is_not_taken_over_nor_complained_about() {
    let mut program = running();
    let text = version("second");
    let (half, rest) = text.split_at(text.len() - 12);
    let mut file = File::create(program.file.path()).unwrap();
    file.write_all(half.as_bytes()).unwrap();
    file.write_all(rest.as_bytes()).unwrap();
    drop(file);
    in_force(&mut program, "second", 2);
    program.stop();
    assert!(!program.rest().iter().any(|line| line.starts_with("REJECTED")));
}

#[test]
fn a_file_that_stays_half_written_is_refused_and_taken_over_once_whole() {
    let mut program = running();
    let text = version("second");
    let half = text.split_at(text.len() - 12).0;
    fs::write(program.file.path(), half).unwrap();
    assert!(program.next("REJECTED").starts_with("REJECTED generation=1 findings="));
    fs::write(program.file.path(), &text).unwrap();
    in_force(&mut program, "second", 2);
}

#[test]
fn an_empty_file_is_no_configuration() {
    let mut program = running();
    let address = program.address("first");
    fs::write(program.file.path(), "").unwrap();
    program.signal("HUP");
    program.said("the file is empty");
    assert_eq!(crate::support::http::get(address, "/healthz").1, "ok\n");
    fs::write(program.file.path(), version("second")).unwrap();
    in_force(&mut program, "second", 2);
}

#[test]
fn a_touch_changes_nothing() {
    let mut program = running();
    // Rewritten with what it has, and renamed over with what it has: no look finds anything to do.
    fs::write(program.file.path(), version("first")).unwrap();
    program.file.replace(&version("first"));
    // Another meaning is the first thing that is told.
    program.file.replace(&version("second"));
    in_force(&mut program, "second", 2);
}

#[test]
fn a_comment_changes_the_file_and_not_the_generation() {
    let mut program = running();
    let before = crate::support::sockets::listening(program.pid());
    assert_eq!(program.reload_in_vain(&format!("# a remark\n{}", version("first"))), 1);
    assert_eq!(crate::support::sockets::listening(program.pid()), before);
}

#[test]
fn a_hangup_is_answered_at_once_and_in_any_case() {
    let mut program = running();
    program.signal("HUP");
    assert_eq!(program.next("RELOADED"), "RELOADED generation=1");
    assert_eq!(program.reload(&version("second")), 2);
}
