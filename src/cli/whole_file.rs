//! Files that are written whole or not at all.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

/// Writes a file, so that whoever looks sees all of the old content or all of the new. What is no
/// regular file, such as a pipe, is written to and not replaced.
///
/// # Errors
/// When it cannot be written. What was there before still is.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let before = fs::metadata(path).ok();
    if before.as_ref().is_some_and(|file| !file.is_file()) {
        return OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    // Through a link its target is replaced: the link is somebody's decision.
    let path = if before.is_some() { path.canonicalize()? } else { path.to_owned() };
    let name = path.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}", std::process::id()));
    let beside = path.with_file_name(beside);
    // One that is there was left by a process of this number that was killed in the middle. Where
    // it cannot be removed, it cannot be made either, which is the error to tell.
    drop(fs::remove_file(&beside));
    OpenOptions::new().write(true).create_new(true).open(&beside).and_then(|mut it| {
        let replaced = it.write_all(bytes).and_then(|()| {
            if let Some(before) = before {
                it.set_permissions(before.permissions())?;
            }
            it.sync_all()?;
            fs::rename(&beside, &path)
        });
        if replaced.is_err() {
            // The first error is the one worth telling.
            drop(fs::remove_file(&beside));
        }
        replaced
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn replaces_a_file_and_keeps_its_mode_and_the_link_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        write(&file, b"one").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("file", &link).unwrap();
        write(&link, b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert!(link.is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_a_killed_process_of_this_number_has_left_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(format!(".file.{}", std::process::id()));
        fs::write(&left, b"ha").unwrap();
        write(&folder.path().join("file"), b"one").unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn leaves_no_trace_of_what_could_not_be_written() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write(&folder.path().join("absent/file"), b"one").is_err());
        assert!(write(folder.path(), b"one").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
