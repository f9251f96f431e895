//! Which processes run which service file.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use crate::sys::process::{Instance, instances};

/// The processes that run a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Runs {
    /// Those whose descriptors can be listed.
    pub(super) seen: BTreeSet<u32>,
    /// Those that seem to, and may not be looked into.
    pub(super) hidden: BTreeSet<u32>,
}

/// The processes that run each of the files, in their order.
///
/// # Errors
/// When there is no `/proc`, or no working directory to take a path from.
pub(super) fn of(files: &[PathBuf]) -> io::Result<Vec<Runs>> {
    let instances = instances()?;
    let runs = files.iter().map(|file| {
        // A file that has been removed while it runs has no other name than this.
        let file = std::path::absolute(file)?;
        let mut runs = Runs::default();
        for instance in instances.iter().filter(|instance| is_of(instance, &file)) {
            let set = if instance.seen { &mut runs.seen } else { &mut runs.hidden };
            set.insert(instance.pid);
        }
        Ok(runs)
    });
    runs.collect()
}

/// Whether a process was started to run the file, under whatever name it was given.
fn is_of(instance: &Instance, file: &Path) -> bool {
    let mut arguments = instance.arguments.iter().skip(1);
    if !arguments.any(|argument| argument == "run") {
        return false;
    }
    arguments.any(|argument| match &instance.folder {
        Some(folder) => is_same(&folder.join(argument), file),
        None if Path::new(argument).is_absolute() => is_same(Path::new(argument), file),
        // Where a relative path begins is hidden with the rest; what may be it is taken for it.
        None => {
            let name = Path::new(argument).file_name();
            name.is_some() && name == file.file_name()
        }
    })
}

fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    one == other || real(one).is_some_and(|one| Some(one) == real(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(arguments: &[&str], folder: Option<&Path>) -> Instance {
        let arguments = arguments.iter().map(Into::into).collect();
        Instance { pid: 1, arguments, folder: folder.map(Into::into), seen: folder.is_some() }
    }

    #[test]
    fn a_file_is_known_under_every_name_and_by_the_last_one_where_folders_are_hidden() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink("a.yaml", folder.path().join("b.yaml")).unwrap();
        let (whole, here) = (file.to_str().unwrap(), Some(folder.path()));
        for (arguments, folder, expected) in [
            (&["portcullis", "run", "a.yaml"][..], here, true),
            (&["portcullis", "run", "--log", "json", "./b.yaml", ""], here, true),
            (&["portcullis", "run", whole], here, true),
            (&["portcullis", "run", whole], None, true),
            (&["portcullis", "run", "a.yaml"], None, true),
            (&["portcullis", "run", "other/a.yaml"], None, true),
            (&["portcullis", "run", "/other/a.yaml"], None, false),
            (&["portcullis", "run", "c.yaml", ""], None, false),
            (&["portcullis", "run", "c.yaml", ""], here, false),
            (&["portcullis", "check", "a.yaml"], here, false),
            (&["portcullis"], here, false),
        ] {
            assert_eq!(is_of(&instance(arguments, folder), &file), expected, "{arguments:?}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(is_of(&instance(&["portcullis", "run", "./a.yaml"], here), &file));
    }
}
