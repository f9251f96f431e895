//! A file that is mounted, as into a container, or that a link leads to.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::change::{in_force, version};
use crate::support::{
    Program, ServiceFile,
    namespace::{MOUNTS, in_namespaces, run},
};

/// What is mounted there until this is dropped. A folder with it cannot be removed, so it has to go
/// before the program, whose file is in one.
struct Mounted(PathBuf);

impl Mounted {
    /// Mounts what is at one path at another.
    fn of(what: &Path, at: &Path) -> Self {
        Self::by(&format!("--bind {}", what.display()), at)
    }

    fn by(options: &str, at: &Path) -> Self {
        run(&format!("mount {options} {}", at.display()));
        Self(at.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily, for the program may look at it at this moment.
        run(&format!("umount --lazy {}", self.0.display()));
    }
}

/// Replaces a file as a whole.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

#[test]
fn a_single_mounted_file_whose_source_is_replaced_is_said_to_have_no_name_any_more() {
    in_namespaces(
        "reload::mounted::a_single_mounted_file_whose_source_is_replaced_is_said_to_have_no_name_any_more",
        MOUNTS,
        || {
            let file = ServiceFile::new("");
            let source = file.beside("source.yaml");
            fs::write(&source, version("first")).unwrap();
            let mounted = Mounted::of(&source, file.path());
            let mut program = Program::serving_file(file);
            // Written in place it is the same file, whoever looks at it.
            fs::write(&source, version("second")).unwrap();
            in_force(&mut program, "second", 2);
            // Replaced it is another, which no one sees through the mount.
            replace(&source, &version("third"));
            let warning = "the file has no name any more; mount its directory rather than the file";
            program.said(warning);
            program.signal("HUP");
            assert_eq!(program.next("RELOADED"), "RELOADED generation=2");
            assert!(!program.bound().contains_key("third"));
            // As soon as the mount is made anew, the new file is seen.
            drop(mounted);
            let _mounted = Mounted::of(&source, program.file.path());
            in_force(&mut program, "third", 3);
        },
    );
}

#[test]
fn a_file_in_a_mounted_folder_is_followed_when_its_source_is_replaced() {
    in_namespaces(
        "reload::mounted::a_file_in_a_mounted_folder_is_followed_when_its_source_is_replaced",
        MOUNTS,
        || {
            let file = ServiceFile::new("").at("mounted/portcullis.yaml");
            let (source, at) = (file.beside("source"), file.beside("mounted"));
            fs::create_dir(&source).unwrap();
            fs::create_dir(&at).unwrap();
            fs::write(source.join("portcullis.yaml"), version("first")).unwrap();
            let mounted = Mounted::of(&source, &at);
            let mut program = Program::serving_file(file);
            let _first = mounted;
            for (generation, name) in [(2, "second"), (3, "third")] {
                replace(&source.join("portcullis.yaml"), &version(name));
                in_force(&mut program, name, generation);
            }
        },
    );
}

#[test]
fn a_file_below_an_overlay_is_followed_when_it_is_changed_through_it_or_below() {
    in_namespaces(
        "reload::mounted::a_file_below_an_overlay_is_followed_when_it_is_changed_through_it_or_below",
        MOUNTS,
        || {
            let file = ServiceFile::new("").at("merged/portcullis.yaml");
            let [lower, upper, work, merged] =
                ["lower", "upper", "work", "merged"].map(|name| file.beside(name));
            // An overlay over what is an overlay itself is not allowed everywhere.
            let folder = Mounted::by("-t tmpfs -o mode=700 none", file.folder());
            for folder in [&lower, &upper, &work, &merged] {
                fs::create_dir(folder).unwrap();
            }
            fs::write(lower.join("portcullis.yaml"), version("first")).unwrap();
            let folders = format!(
                "lowerdir={},upperdir={},workdir={}",
                lower.display(),
                upper.display(),
                work.display()
            );
            let overlay = Mounted::by(&format!("-t overlay none -o {folders}"), &merged);
            let mut program = Program::serving_file(file);
            let _first = (overlay, folder);
            // The kernel tells nobody of a change below; the slow look finds it.
            fs::write(lower.join("portcullis.yaml"), version("second")).unwrap();
            in_force(&mut program, "second", 2);
            fs::write(merged.join("portcullis.yaml"), version("third")).unwrap();
            in_force(&mut program, "third", 3);
        },
    );
}

#[test]
fn a_file_behind_a_link_is_followed_however_it_changes() {
    let file = ServiceFile::new("").at("link.yaml");
    let folders = ["one", "two"].map(|name| file.beside(name));
    for folder in &folders {
        fs::create_dir(folder).unwrap();
    }
    let [one, two] = folders.map(|folder| folder.join("target.yaml"));
    fs::write(&one, version("first")).unwrap();
    symlink(&one, file.path()).unwrap();
    let mut program = Program::serving_file(file);
    fs::write(&one, version("written")).unwrap();
    in_force(&mut program, "written", 2);
    replace(&one, &version("replaced"));
    in_force(&mut program, "replaced", 3);
    fs::write(&two, version("elsewhere")).unwrap();
    let link = program.file.path().to_owned();
    fs::remove_file(&link).unwrap();
    symlink(&two, &link).unwrap();
    in_force(&mut program, "elsewhere", 4);
    replace(&two, &version("again"));
    in_force(&mut program, "again", 5);
}
