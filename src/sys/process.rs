//! What this process is and may: descriptors, capabilities, users and its cgroup.

mod account;
mod holder;
mod instance;
mod writable;

pub use account::{Account, NoAccount, ROOT, group_id, user_id};
pub use holder::{Holder, Holders, holders_of, name_of};
pub use instance::{Instance, instances};
pub use writable::{could_change, could_redirect};

use std::{
    ffi::CStr,
    fs, io,
    os::unix::fs::{DirEntryExt, MetadataExt},
    path::{Path, PathBuf},
};

use nix::{
    sys::{
        prctl::set_name,
        resource::{Resource, getrlimit, setrlimit},
        signal::{SigSet, Signal},
    },
    unistd::{Gid, Group, Uid, User, getegid, geteuid},
};

/// Directories looked at in search of a cgroup: more than a full host has, and done in some ten
/// milliseconds.
const MAX_CGROUPS: usize = 16_384;

/// The bit of CAP_NET_BIND_SERVICE in a capability set (`linux/capability.h`).
const CAP_NET_BIND_SERVICE: u64 = 1 << 10;

/// Raises the soft limit on open descriptors to the hard one and returns it.
///
/// # Errors
/// When the kernel refuses.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}

/// The limit on open descriptors that is in force.
///
/// # Errors
/// When the kernel refuses.
pub fn descriptor_limit() -> io::Result<u64> {
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?.0)
}

/// The hard limit on open descriptors, to which [`raise_descriptor_limit`] raises the soft one.
///
/// # Errors
/// When the kernel refuses.
pub fn descriptor_ceiling() -> io::Result<u64> {
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?.1)
}

/// Blocks, in this thread, the signals by which a terminal or a service manager ends all processes
/// of a service at once. The mask outlives `exec`, so a program that is started from here has to
/// say [`heed_every_signal`].
///
/// # Errors
/// When the kernel refuses.
pub fn block_signals_to_all() -> io::Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        signals.add(signal);
    }
    Ok(signals.thread_block()?)
}

/// Has this thread, and those that it starts, answer every signal, whatever whoever started it has
/// blocked.
///
/// # Errors
/// When the kernel refuses.
pub fn heed_every_signal() -> io::Result<()> {
    Ok(SigSet::all().thread_unblock()?)
}

/// Has no program that is started from here inherit a descriptor beyond standard error: those
/// that whoever started this process has left open are nobody else's business. Kernels before 5.11
/// cannot do it, and everything that this process opens itself is closed on exec anyway.
#[expect(unsafe_code, reason = "no crate of ours has this call")]
pub fn keep_descriptors() {
    const BEYOND: libc::c_uint = 3;
    let how = libc::CLOSE_RANGE_CLOEXEC.cast_signed();
    // SAFETY: it closes nothing, but sets a flag of descriptors, whoever has them.
    let _unsupported = unsafe { libc::close_range(BEYOND, libc::c_uint::MAX, how) };
}

/// Names this thread, for those who list processes.
///
/// # Errors
/// When the kernel refuses.
pub fn call_this(name: &CStr) -> io::Result<()> {
    Ok(set_name(name)?)
}

/// Whether CAP_NET_BIND_SERVICE is in this thread's effective set. A user namespace may still have
/// no say over the network namespace it runs in, so `true` is no promise.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn may_bind_privileged() -> io::Result<bool> {
    Ok(effective_capabilities(&fs::read_to_string("/proc/thread-self/status")?)
        .is_some_and(|set| set & CAP_NET_BIND_SERVICE != 0))
}

/// The user that this process acts as.
#[must_use]
pub fn effective_user() -> u32 {
    geteuid().as_raw()
}

/// The group that files of this process belong to.
#[must_use]
pub fn effective_group() -> u32 {
    getegid().as_raw()
}

/// The name of a user, if the system knows one.
#[must_use]
pub fn user_name(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}

/// The name of a user, or the number of one without a name.
#[must_use]
pub fn user_or_number(uid: u32) -> String {
    user_name(uid).unwrap_or_else(|| uid.to_string())
}

/// The name of a group, if the system knows one.
#[must_use]
pub fn group_name(gid: u32) -> Option<String> {
    Group::from_gid(Gid::from_raw(gid)).ok().flatten().map(|group| group.name)
}

/// The network namespace that this process is in: the number that `lsns` and `/proc` have for it.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn network_namespace() -> io::Result<u64> {
    Ok(fs::metadata("/proc/thread-self/ns/net")?.ino())
}

/// The cgroup (version 2) that this process is in.
#[must_use]
pub fn own_cgroup() -> Option<String> {
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    membership.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

/// The path of a cgroup (version 2) by its id, which is the inode number of its directory. `None`
/// when there is no such cgroup below the root that this process sees, or when there are so many
/// that the search is given up.
#[must_use]
pub fn cgroup_path(id: u64) -> Option<String> {
    let root = cgroup_root(&fs::read_to_string("/proc/self/mounts").ok()?)?;
    let mut unread = vec![root.clone()];
    let mut seen = 0;
    while let Some(directory) = unread.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if entry.ino() == id {
                let below = entry.path().strip_prefix(&root).ok()?.to_owned();
                return Some(Path::new("/").join(below).to_string_lossy().into_owned());
            }
            seen += 1;
            if seen == MAX_CGROUPS {
                return None;
            }
            unread.push(entry.path());
        }
    }
    None
}

fn effective_capabilities(status: &str) -> Option<u64> {
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

/// Where the cgroup2 file system is mounted, from `/proc/self/mounts`.
fn cgroup_root(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (_device, at, kind) = (fields.next()?, fields.next()?, fields.next()?);
        (kind == "cgroup2").then(|| at.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptor_limit_is_raised_to_the_hard_one() {
        let raised = raise_descriptor_limit().unwrap();
        assert_eq!(descriptor_limit().unwrap(), raised);
    }

    #[test]
    fn capabilities_are_read_from_the_status_of_a_thread() {
        assert_eq!(effective_capabilities("Name:\tx\nCapEff:\t0000000000000400\n"), Some(0x400));
        assert_eq!(effective_capabilities("CapEff:\tnonsense\n"), None);
        assert_eq!(effective_capabilities(""), None);
        may_bind_privileged().unwrap();
    }

    #[test]
    fn root_has_a_name_and_not_every_number_has() {
        assert_eq!(user_name(0).as_deref(), Some("root"));
        assert_eq!(group_name(0).as_deref(), Some("root"));
        assert_eq!(user_name(4_294_967_000), None);
        assert_eq!(
            (user_or_number(0), user_or_number(7_654_321)),
            ("root".into(), "7654321".into())
        );
    }

    #[test]
    fn the_cgroup_mount_is_found_among_others() {
        let mounts =
            "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(cgroup_root(mounts), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(cgroup_root("broken"), None);
    }

    #[test]
    fn an_id_that_no_cgroup_has_has_no_path() {
        assert_eq!(cgroup_path(u64::MAX), None);
    }
}
