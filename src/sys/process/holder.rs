//! Which processes hold a socket: a walk over `/proc/*/fd`.

use std::{collections::BTreeSet, fs, io, path::Path};

/// Descriptors looked at in one walk: seconds of work on a host that has as many; what is left
/// counts as unreadable.
const MAX_DESCRIPTORS: usize = 1_000_000;

/// A process that has a descriptor of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The socket.
    pub inode: u64,
    /// The process.
    pub pid: u32,
    /// Its name (`comm`), which it may have chosen itself.
    pub name: String,
    /// The program it runs, if this process may know.
    pub program: Option<String>,
}

/// What a walk saw, and how much it could not see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders {
    /// Each process and socket once.
    pub found: Vec<Holder>,
    /// Processes whose descriptors this process may not list.
    pub unreadable: usize,
}

/// The processes that hold any of these sockets.
///
/// # Errors
/// When there is no `/proc`.
pub fn holders_of(inodes: &BTreeSet<u64>) -> io::Result<Holders> {
    let mut holders = Holders::default();
    let mut budget = MAX_DESCRIPTORS;
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        match sockets_in(&entry.path(), &mut budget) {
            Ok(sockets) => holders.found.extend(
                sockets.intersection(inodes).map(|inode| holder(*inode, pid, &entry.path())),
            ),
            // It ended while we looked, so it holds nothing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => holders.unreadable += 1,
        }
    }
    Ok(holders)
}

/// The name of a process (`comm`), made safe to print.
#[must_use]
pub fn name_of(pid: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    // A process may put anything in its name.
    Some(name.trim_end().escape_debug().to_string())
}

fn sockets_in(process: &Path, budget: &mut usize) -> io::Result<BTreeSet<u64>> {
    let mut sockets = BTreeSet::new();
    for entry in fs::read_dir(process.join("fd"))? {
        *budget = budget.checked_sub(1).ok_or(io::ErrorKind::QuotaExceeded)?;
        match entry.and_then(|entry| fs::read_link(entry.path())) {
            Ok(target) => sockets.extend(target.to_str().and_then(socket_number)),
            // It was closed while we looked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // Who has the same user may list them and yet be kept from seeing what they are, as of
            // a process with more privileges or in another user namespace.
            Err(error) => return Err(error),
        }
    }
    Ok(sockets)
}

fn holder(inode: u64, pid: u32, process: &Path) -> Holder {
    let program = fs::read_link(process.join("exe")).ok();
    Holder {
        inode,
        pid,
        name: name_of(pid).unwrap_or_default(),
        program: program.map(|path| path.to_string_lossy().escape_debug().to_string()),
    }
}

fn socket_number(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, os::fd::AsFd};

    use super::*;

    #[test]
    fn this_process_holds_its_own_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = crate::sys::socket::inode(listener.as_fd()).unwrap();
        let holders = holders_of(&BTreeSet::from([inode])).unwrap();
        let mine: Vec<_> = holders.found.iter().filter(|it| it.pid == std::process::id()).collect();
        let [only] = mine.as_slice() else { panic!("{holders:?}") };
        assert_eq!(only.inode, inode);
        assert!(only.program.is_some());
        assert!(!only.name.is_empty());
    }

    #[test]
    fn only_sockets_have_socket_numbers() {
        assert_eq!(socket_number("socket:[4711]"), Some(4711));
        for link in ["pipe:[4711]", "socket:[]", "socket:[-1]", "/tmp/socket:[1]", ""] {
            assert_eq!(socket_number(link), None, "{link}");
        }
    }
}
