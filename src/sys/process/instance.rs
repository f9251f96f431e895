//! Which processes run this very program, and with which arguments.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
};

/// What the kernel adds to the path of a program whose file is gone, such as after an update.
const DELETED: &[u8] = b" (deleted)";

/// A process that runs this program, or calls itself by its name and may not be looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The process.
    pub pid: u32,
    /// What it was started with, its name first. A process may rewrite them.
    pub arguments: Vec<OsString>,
    /// Its working directory, if this process may know.
    pub folder: Option<PathBuf>,
    /// Whether it may be looked into: then it is certain that it runs this program, and its
    /// descriptors can be listed.
    pub seen: bool,
}

/// Every process in this network namespace that runs the same file as this one, or a file that was
/// at the same path before it was replaced; and every one that calls itself so and hides what it
/// runs. This process, which asks, is left out.
///
/// # Errors
/// When there is no `/proc`.
pub fn instances() -> io::Result<Vec<Instance>> {
    let own = Program::of(Path::new("/proc/self"))?;
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if pid != std::process::id() {
            found.extend(instance(pid, &entry.path(), &own));
        }
    }
    Ok(found)
}

/// The file that a process runs, and where it is connected.
#[derive(Debug)]
struct Program {
    device: u64,
    inode: u64,
    path: PathBuf,
    /// The network namespace.
    network: u64,
}

impl Program {
    fn of(process: &Path) -> io::Result<Self> {
        let link = process.join("exe");
        let path = fs::read_link(&link)?;
        let path = match path.as_os_str().as_bytes().strip_suffix(DELETED) {
            Some(before) => OsStr::from_bytes(before).into(),
            None => path,
        };
        let file = fs::metadata(&link)?;
        let network = fs::metadata(process.join("ns/net"))?.ino();
        Ok(Self { device: file.dev(), inode: file.ino(), path, network })
    }

    fn is_same(&self, other: &Self) -> bool {
        let is_file = (self.device, self.inode) == (other.device, other.inode);
        self.network == other.network && (is_file || self.path == other.path)
    }
}

fn instance(pid: u32, process: &Path, own: &Program) -> Option<Instance> {
    // Threads of the kernel, and what ends meanwhile, have none.
    let arguments = fs::read(process.join("cmdline")).ok().filter(|line| !line.is_empty())?;
    let arguments: Vec<_> =
        arguments.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect();
    let program = Program::of(process);
    let seen = program.is_ok() && fs::read_dir(process.join("fd")).is_ok();
    let is_it = match &program {
        Ok(program) => program.is_same(own),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let name = arguments.first().and_then(|first| Path::new(first).file_name());
            name.is_some() && name == own.path.file_name()
        }
        Err(_) => false,
    };
    let folder = fs::read_link(process.join("cwd")).ok();
    is_it.then_some(Instance { pid, arguments, folder, seen })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_the_same_by_its_file_or_by_its_path_in_one_network() {
        let program =
            |inode, path: &str| Program { device: 1, inode, path: path.into(), network: 3 };
        let own = program(7, "/usr/bin/portcullis");
        assert!(own.is_same(&program(7, "/proc/1/root/bin/other")));
        assert!(own.is_same(&program(8, "/usr/bin/portcullis")));
        assert!(!own.is_same(&program(8, "/usr/bin/other")));
        assert!(!own.is_same(&Program { network: 4, ..program(7, "/usr/bin/portcullis") }));
    }

    #[test]
    fn a_process_is_an_instance_of_its_own_program_and_of_no_other() {
        let process = Path::new("/proc/self");
        let own = Program::of(process).unwrap();
        let found = instance(1, process, &own).unwrap();
        assert_eq!(found.folder, std::env::current_dir().ok());
        assert!(found.seen && !found.arguments.is_empty());
        let other = Program {
            device: 0,
            inode: 0,
            path: "/nowhere".into(),
            ..Program::of(process).unwrap()
        };
        assert_eq!(instance(1, process, &other), None);
    }
}
