//! A process that Landlock keeps from binding TCP ports, as a sandbox may.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    process::Command,
    thread,
};

use nix::sys::prctl::set_no_new_privs;

use super::Ended;

/// `struct landlock_ruleset_attr` of `linux/landlock.h`, as far as it is of use here.
#[repr(C)]
struct Ruleset {
    handled_access_fs: u64,
    handled_access_net: u64,
}

/// `LANDLOCK_ACCESS_NET_BIND_TCP`.
const BIND_TCP: u64 = 1;

/// Runs a command to its end which may bind no TCP port, whatever the port and whoever it is.
#[track_caller]
pub(crate) fn may_not_bind(command: Command) -> Ended {
    // A thread confines itself and what it starts, and nothing else of this process.
    let confined = thread::spawn(|| {
        confine().unwrap_or_else(|error| {
            panic!("this test needs Landlock with rules on ports (Linux 6.7): {error}")
        });
        Ended::of(command)
    });
    confined.join().unwrap()
}

#[expect(unsafe_code, reason = "no crate of ours has these calls, and only this test needs them")]
fn confine() -> io::Result<()> {
    let handled = Ruleset { handled_access_fs: 0, handled_access_net: BIND_TCP };
    // SAFETY: the kernel reads a live `Ruleset` of the size that it is told.
    let made = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const handled,
            size_of::<Ruleset>(),
            0,
        )
    };
    let made = i32::try_from(made).ok().filter(|made| *made >= 0);
    let made = made.ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the kernel has made this descriptor just now, for nobody else.
    let rules = unsafe { OwnedFd::from_raw_fd(made) };
    // Whoever may not become root by a program may confine itself.
    set_no_new_privs()?;
    // SAFETY: it takes no pointers.
    let confined = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) };
    if confined == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
