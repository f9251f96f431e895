//! How much of what was written to a socket its peer has not acknowledged yet.

#![expect(unsafe_code, reason = "an ioctl that neither nix nor socket2 wraps")]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Bytes of a TCP socket that its peer has not acknowledged, `SIOCOUTQ` of tcp(7).
///
/// # Errors
/// `EINVAL` on a socket that is listening, `ENOTTY` on what is no socket.
pub fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: SIOCOUTQ, which Linux also calls TIOCOUTQ, writes one int to the pointer, which is
    // that of a live local; the descriptor is borrowed and so is open.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(usize::try_from(bytes).unwrap_or(0))
    }
}
