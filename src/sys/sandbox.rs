//! What a process gives up for good, with everything that it starts: capabilities, new privileges,
//! programs, places to write, sockets that listen.
//!
//! All of it holds for the calling thread and those that it starts, so it is to be done before
//! there are others.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use caps::CapSet;
use landlock::{
    ABI, AccessFs, AccessNet, CompatLevel, Compatible as _, LandlockStatus, PathBeneath, PathFd,
    PathFdError, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, Scope,
};
use nix::sys::prctl::set_no_new_privs;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// The rights of Landlock that are asked for are those of this version: newer kernels know more,
/// and what an older one lacks is told.
const WANTED: ABI = ABI::V6;

/// The bits of a socket's type that are its kind, and not flags (`SOCK_TYPE_MASK`).
const KIND: u64 = 0xf;

/// Why a process could not be confined.
#[derive(Debug, thiserror::Error)]
pub enum Unconfined {
    /// The kernel has Landlock and refuses.
    #[error("cannot confine this process by Landlock: {0}")]
    Landlock(RulesetError),
    /// A place that is to be writable cannot be opened.
    #[error("cannot confine this process by Landlock: {0}")]
    Place(PathFdError),
    /// No filter for this architecture.
    #[error("cannot confine this process by seccomp: {0}")]
    Filter(seccompiler::BackendError),
    /// The kernel refuses the filter.
    #[error("cannot confine this process by seccomp: {0}")]
    Seccomp(seccompiler::Error),
}

/// Has no program that this thread starts get a capability by its file. It takes CAP_SETPCAP, so it
/// is to come before [`drop_capabilities`]; without it the set stays as it is, and
/// [`forbid_new_privileges`] alone keeps programs from it.
///
/// # Errors
/// When the kernel refuses.
pub fn clear_bounding_set() -> io::Result<()> {
    let may = caps::has_cap(None, CapSet::Effective, caps::Capability::CAP_SETPCAP);
    if may.map_err(io::Error::other)? {
        caps::clear(None, CapSet::Bounding).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Gives up every capability of this thread.
///
/// # Errors
/// When the kernel refuses.
pub fn drop_capabilities() -> io::Result<()> {
    // The ambient ones go with the permitted ones.
    for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        caps::clear(None, set).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Has no program that is started from here on get a privilege of its own (setuid, file
/// capabilities).
///
/// # Errors
/// When the kernel refuses.
pub fn forbid_new_privileges() -> io::Result<()> {
    Ok(set_no_new_privs()?)
}

/// Forbids, by Landlock, to write anywhere but in these places and below, to start programs, to
/// bind TCP sockets, and to send signals to processes outside. Returns what this kernel does not
/// forbid, one thing each.
///
/// # Errors
/// When the kernel has Landlock and refuses all the same, or a place cannot be opened.
pub fn restrict_files(writable: &[PathBuf]) -> Result<Vec<String>, Unconfined> {
    let status = landlock(writable)?;
    let known = match status {
        LandlockStatus::NotImplemented => return lacks("Landlock is not in this kernel"),
        LandlockStatus::NotEnabled => {
            return lacks("Landlock is not enabled (`lsm=` of the kernel)");
        }
        LandlockStatus::Available { effective_abi, .. } => effective_abi,
    };
    let later = [
        (ABI::V3, "truncating files (Linux 6.2)"),
        (ABI::V4, "binding TCP sockets (Linux 6.7)"),
        (ABI::V5, "commands to devices (Linux 6.10)"),
        (ABI::V6, "signals to other processes (Linux 6.12)"),
    ];
    let lacking = later.into_iter().filter(|(since, _)| known < *since);
    Ok(lacking.map(|(_, what)| format!("this kernel's Landlock does not forbid {what}")).collect())
}

fn lacks(what: &str) -> Result<Vec<String>, Unconfined> {
    Ok(vec![what.to_owned()])
}

fn landlock(writable: &[PathBuf]) -> Result<LandlockStatus, Unconfined> {
    let write = AccessFs::from_write(WANTED);
    let rules = || {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(write | AccessFs::Execute)?
            .handle_access(AccessNet::BindTcp)?
            .scope(Scope::Signal)?
            .create()
    };
    let mut rules = rules().map_err(Unconfined::Landlock)?;
    for place in writable {
        let place = PathFd::new(place).map_err(Unconfined::Place)?;
        rules = rules.add_rule(PathBeneath::new(place, write)).map_err(Unconfined::Landlock)?;
    }
    Ok(rules.restrict_self().map_err(Unconfined::Landlock)?.landlock)
}

/// What has to be writable for this file to be written and made anew: its folder, and that of the
/// file behind it where it is a link. Of a device or a pipe it is that alone.
#[must_use]
pub fn places_of(path: &Path) -> Vec<PathBuf> {
    let real = path.canonicalize().ok();
    if let Some(real) = real.as_ref().filter(|real| real.exists() && !real.is_file()) {
        return vec![real.clone()];
    }
    let folder = |path: &Path| path.parent().filter(|folder| folder.is_dir()).map(Into::into);
    let folders = [folder(path), real.as_deref().and_then(folder)];
    folders.into_iter().flatten().collect()
}

/// Forbids, by seccomp and in every thread, to start programs, to give sockets an address or have
/// them listen, to make sockets other than of TCP, unix and the netlink that this program asks, to
/// make namespaces, to type at a terminal, and what reaches into other processes or far into the
/// kernel. A forbidden call fails with `EPERM`.
///
/// # Errors
/// When the kernel has no seccomp, or is of an architecture that the compiler does not know.
pub fn restrict_calls() -> Result<(), Unconfined> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(Unconfined::Filter)?;
    // Without a rule of its own a call is forbidden whatever its arguments are.
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        FORBIDDEN.iter().map(|call| (*call, Vec::new())).collect();
    for (call, of_arguments) in [
        (libc::SYS_socket, sockets()),
        (libc::SYS_ioctl, terminals()),
        (libc::SYS_clone, namespaces()),
    ] {
        rules.insert(call, of_arguments.map_err(Unconfined::Filter)?);
    }
    refuse(rules, libc::EPERM, arch)?;
    // Its flags are in memory, where no filter sees them. A C library that is told that there is no
    // such call takes the older one.
    refuse(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS, arch)
}

/// Has these calls fail with this error from here on.
fn refuse(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    error: i32,
    arch: TargetArch,
) -> Result<(), Unconfined> {
    let no = SeccompAction::Errno(error.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, no, arch);
    let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(Unconfined::Filter)?;
    seccompiler::apply_filter_all_threads(&program).map_err(Unconfined::Seccomp)
}

/// What a rule of the compiler may fail with.
type Compiled<T> = Result<T, seccompiler::BackendError>;

/// A condition on an argument of a call, by its number.
fn test(argument: u8, how: SeccompCmpOp, value: i32) -> Compiled<SeccompCondition> {
    let value = u64::from(value.cast_unsigned());
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, how, value)
}

/// Which calls of `socket` are forbidden: other families, datagrams and raw packets of IP, which
/// take what comes without being bound, and other protocols.
fn sockets() -> Compiled<Vec<SeccompRule>> {
    use SeccompCmpOp::{Eq, MaskedEq, Ne};
    let (domain, kind, protocol) = (0, 1, 2);
    let families = [libc::AF_INET, libc::AF_INET6, libc::AF_UNIX, libc::AF_NETLINK];
    let others = families.into_iter().map(|family| test(domain, Ne, family));
    let mut rules = vec![SeccompRule::new(others.collect::<Result<_, _>>()?)?];
    for family in [libc::AF_INET, libc::AF_INET6] {
        for forbidden in [libc::SOCK_DGRAM, libc::SOCK_RAW] {
            rules.push(SeccompRule::new(vec![
                test(domain, Eq, family)?,
                test(kind, MaskedEq(KIND), forbidden)?,
            ])?);
        }
    }
    for (family, [one, other]) in [
        (libc::AF_INET, [0, libc::IPPROTO_TCP]),
        (libc::AF_INET6, [0, libc::IPPROTO_TCP]),
        (libc::AF_NETLINK, [libc::NETLINK_ROUTE, libc::NETLINK_SOCK_DIAG]),
    ] {
        rules.push(SeccompRule::new(vec![
            test(domain, Eq, family)?,
            test(protocol, Ne, one)?,
            test(protocol, Ne, other)?,
        ])?);
    }
    Ok(rules)
}

/// Which calls of `ioctl` are forbidden: those that type for whoever is at the terminal.
fn terminals() -> Compiled<Vec<SeccompRule>> {
    let request = |request: libc::Ioctl| {
        let request = i32::try_from(request).expect("a request of 16 bits");
        SeccompRule::new(vec![test(1, SeccompCmpOp::Eq, request)?])
    };
    [libc::TIOCSTI, libc::TIOCLINUX].into_iter().map(request).collect()
}

/// Which calls of `clone` are forbidden: those that make a namespace, in which the process would
/// have every capability again.
fn namespaces() -> Compiled<Vec<SeccompRule>> {
    let flags = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    let with = |flag: i32| {
        let mask = SeccompCmpOp::MaskedEq(u64::from(flag.cast_unsigned()));
        SeccompRule::new(vec![test(0, mask, flag)?])
    };
    flags.into_iter().map(with).collect()
}

/// What serving never calls. It is no list of what is allowed: the C library changes its calls from
/// one version to the next.
const FORBIDDEN: &[i64] = &[
    // Programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Sockets that take clients.
    libc::SYS_bind,
    libc::SYS_listen,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    // What the process sees of the host.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_by_handle_at,
    // Large parts of the kernel that nothing here needs.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
];

#[cfg(test)]
mod tests {
    use std::{
        env, fs,
        net::{TcpListener, TcpStream, UdpSocket},
        os::{
            fd::AsRawFd,
            unix::net::{UnixListener, UnixStream},
        },
        process::Command,
        thread,
    };

    use nix::sched::{CloneFlags, unshare};
    use socket2::{Domain, Protocol, Socket, Type};

    use super::*;

    /// Names the folder to a copy of this test that confines itself, which no other test may be.
    const INSIDE: &str = "PORTCULLIS_TEST_SANDBOX";

    /// Runs the body in a process of its own, with a folder that vanishes with the test.
    fn in_a_process(test: &str, body: impl FnOnce(&Path)) {
        if let Some(folder) = env::var_os(INSIDE) {
            return body(Path::new(&folder));
        }
        let folder = tempfile::tempdir().unwrap();
        let mut again = Command::new(env::current_exe().unwrap());
        let test = format!("sys::sandbox::tests::{test}");
        again.args(["--exact", &test, "--nocapture"]).env(INSIDE, folder.path());
        let output = again.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let wrong = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{said}\n{wrong}");
    }

    fn is_refused<T>(result: io::Result<T>) {
        let error = result.err().expect("it is refused");
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
    }

    #[test]
    fn a_confined_process_serves_what_it_has_and_opens_starts_and_writes_nothing_else() {
        let test = "a_confined_process_serves_what_it_has_and_opens_starts_and_writes_nothing_else";
        in_a_process(test, |folder| {
            let (own, others) = (folder.join("own"), folder.join("others"));
            fs::create_dir(&own).unwrap();
            fs::write(&others, "precious").unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            clear_bounding_set().unwrap();
            drop_capabilities().unwrap();
            forbid_new_privileges().unwrap();
            restrict_files(std::slice::from_ref(&own)).unwrap();
            restrict_calls().unwrap();
            let confined = || {
                let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                listener.accept().unwrap();
                drop(client);
                UnixStream::pair().unwrap();
                fs::write(own.join("note"), "").unwrap();
                fs::remove_file(own.join("note")).unwrap();
                assert_eq!(fs::read_to_string(&others).unwrap(), "precious");

                is_refused(TcpListener::bind("127.0.0.1:0"));
                is_refused(UdpSocket::bind("127.0.0.1:0"));
                is_refused(UnixListener::bind(own.join("x.sock")));
                is_refused(Command::new("/bin/true").status());
                is_refused(Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP)));
                is_refused(Socket::new(
                    libc::AF_NETLINK.into(),
                    Type::RAW,
                    Some(libc::NETLINK_NETFILTER.into()),
                ));
                is_refused(unshare(CloneFlags::CLONE_NEWUSER).map_err(Into::into));
                is_refused(type_at(&listener));
                is_refused(fs::write(&others, "gone"));
                is_refused(fs::remove_file(&others));
                is_refused(fs::create_dir(folder.join("more")));
                is_refused(fs::rename(&others, own.join("others")));
            };
            confined();
            // A thread that is started later is no way out.
            thread::scope(|scope| scope.spawn(confined).join().unwrap());
            for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable, CapSet::Ambient]
            {
                assert!(caps::read(None, set).unwrap().is_empty(), "{set:?}");
            }
        });
    }

    /// What would type at a terminal, if it were one: the filter looks at the request alone.
    #[expect(unsafe_code, reason = "no crate of ours has this call, and only this test needs it")]
    fn type_at(file: &impl AsRawFd) -> io::Result<()> {
        let typed = b"x".as_ptr();
        // SAFETY: TIOCSTI reads one byte, which lives to the end of the program.
        let done = unsafe { libc::ioctl(file.as_raw_fd(), libc::TIOCSTI, typed) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    #[test]
    fn what_is_to_be_writable_and_is_not_there_is_an_error() {
        let test = "what_is_to_be_writable_and_is_not_there_is_an_error";
        in_a_process(test, |folder| {
            let error = restrict_files(&[folder.join("nowhere")]).unwrap_err();
            assert!(error.to_string().contains("nowhere"), "{error}");
        });
    }

    #[test]
    fn a_path_is_written_in_its_folder_and_behind_its_links() {
        let folder = tempfile::tempdir().unwrap();
        let (near, far) = (folder.path().join("near"), folder.path().join("far"));
        fs::create_dir(&near).unwrap();
        fs::create_dir(&far).unwrap();
        fs::write(far.join("log"), "").unwrap();
        std::os::unix::fs::symlink(far.join("log"), near.join("log")).unwrap();
        let far = far.canonicalize().unwrap();
        assert_eq!(places_of(&near.join("log")), [near.clone(), far]);
        assert_eq!(places_of(&near.join("new")), [near]);
        assert!(places_of(&folder.path().join("a/b")).is_empty());
        assert_eq!(places_of(Path::new("/dev/null")), [Path::new("/dev/null")]);
    }
}
