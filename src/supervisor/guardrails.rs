//! Which guardrails are in force: those that the caller names, and those of the system.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::load::{Hash, Stamp, stamp};
use crate::{compile, policy::governance::GuardrailFile, source::MAX_BYTES, sys};

/// Where the guardrails of this host are. No service file can name them or leave them out.
pub const SYSTEM: &str = "/etc/portcullis/guardrails.d";

/// The endings of those files that count; what an editor leaves behind does not.
const ENDINGS: [&str; 2] = ["yaml", "yml"];

/// The most guardrails that are held against a file; a company, a team and a host have three.
const MAX_FILES: usize = 64;

/// A guardrail could not be read, so nothing can be accepted.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the guardrails in `{}`", path.display().to_string().escape_debug())]
pub struct Unread {
    /// What could not be read.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Reads the guardrails that are named and those of the system.
///
/// # Errors
/// When one of them cannot be read, or there are too many: a guardrail that is there and not heeded
/// would be worse than none.
pub fn load(named: &[PathBuf]) -> Result<Vec<GuardrailFile>, Unread> {
    load_from(named, Path::new(SYSTEM))
}

/// The same for a process that is to run under them: each says how this process could change it.
///
/// # Errors
/// As [`load`].
pub fn load_to_run(named: &[PathBuf]) -> Result<Vec<GuardrailFile>, Unread> {
    let mut files = load(named)?;
    for file in &mut files {
        let path = PathBuf::from(file.source.path());
        file.writable =
            sys::process::could_change(&path).map_err(|source| Unread { path, source })?;
    }
    Ok(files)
}

/// What tells, without reading them, that guardrails have changed: their paths and states, which a
/// change of owner or mode moves as well.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamps(Vec<(PathBuf, Option<Stamp>)>);

/// Looks at the guardrails that are named and those of the system.
pub(super) fn stamps(named: &[PathBuf]) -> Stamps {
    let mut paths = named.to_vec();
    // A directory that cannot be listed is one that has changed once it can be.
    paths.extend(listed(Path::new(SYSTEM)).unwrap_or_default());
    let with_stamp = |path: PathBuf| {
        let stamp = fs::metadata(&path).ok().as_ref().map(stamp);
        (path, stamp)
    };
    Stamps(paths.into_iter().map(with_stamp).collect())
}

/// Identifies a content under guardrails: what is refused or accepted is both together.
pub(super) fn identity(content: &Hash, guardrails: Result<&[GuardrailFile], &Unread>) -> Hash {
    let mut hasher = Sha256::new_with_prefix(content);
    let mut part = |text: &str| {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text);
    };
    match guardrails {
        Ok(files) => {
            for file in files {
                part(file.source.path());
                part(file.source.text());
                part(file.writable.as_deref().unwrap_or_default());
            }
        }
        Err(error) => {
            part(&error.path.to_string_lossy());
            part(&error.source.to_string());
        }
    }
    hasher.finalize().into()
}

fn load_from(named: &[PathBuf], system: &Path) -> Result<Vec<GuardrailFile>, Unread> {
    let unread = |path: &Path| {
        let path = path.to_owned();
        move |source| Unread { path, source }
    };
    let mut paths = named.to_vec();
    paths.extend(listed(system).map_err(unread(system))?);
    let mut known = BTreeSet::new();
    let mut files = Vec::new();
    for path in paths {
        // One file under two names is one guardrail.
        if !known.insert(path.canonicalize().map_err(unread(&path))?) {
            continue;
        }
        if files.len() == MAX_FILES {
            let source = io::Error::other(format!("there are more than {MAX_FILES} guardrails"));
            return Err(Unread { path, source });
        }
        let bytes = read(&path).map_err(unread(&path))?;
        files.push(compile::guardrail(&path.display().to_string(), &bytes));
    }
    Ok(files)
}

/// The guardrails in a directory, by name; none where there is no directory.
fn listed(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let counts = |ending: &std::ffi::OsStr| ENDINGS.iter().any(|known| ending == *known);
        if path.extension().is_some_and(counts) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_those_that_are_named_and_those_of_the_system_once() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["b.yaml", "a.yml", "c.yaml.bak", ".d.yaml~"] {
            fs::write(at(name), "portcullis_guardrails: 1\n").unwrap();
        }
        let names = |named: &[PathBuf]| -> Vec<String> {
            let files = load_from(named, dir.path()).unwrap();
            let name =
                |file: GuardrailFile| file.source.path().rsplit('/').next().unwrap().to_owned();
            files.into_iter().map(name).collect()
        };
        assert_eq!(names(&[]), ["a.yml", "b.yaml"]);
        assert_eq!(names(&[at("b.yaml")]), ["b.yaml", "a.yml"]);
        assert!(load_from(&[], &at("absent")).unwrap().is_empty());
        assert!(load_from(&[at("absent.yaml")], dir.path()).is_err(), "a name is a promise");
    }
}
