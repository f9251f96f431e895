//! What to do about an error of `accept`.

use nix::errno::Errno;

/// What the accept loop does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was this client's: take the next one at once.
    Retry,
    /// This host is out of something: wait, or the loop spins at full speed.
    Pause,
    /// The listener is gone or never was one: its owner must know.
    Fatal,
}

/// Judges an error of `accept`.
///
/// Linux passes on errors of the connection that is about to be accepted (`man 2 accept`, "Error
/// handling"). Those are known by name; what is unknown may be here to stay, and is not to be
/// retried at full speed.
#[must_use]
pub fn classify(errno: Errno) -> Verdict {
    match errno {
        Errno::ECONNABORTED
        | Errno::ECONNRESET
        | Errno::EHOSTDOWN
        | Errno::EHOSTUNREACH
        | Errno::EINTR
        | Errno::ENETDOWN
        | Errno::ENETUNREACH
        | Errno::ENONET
        | Errno::ENOPROTOOPT
        | Errno::EOPNOTSUPP
        | Errno::EPERM
        | Errno::EPROTO
        | Errno::ETIMEDOUT => Verdict::Retry,
        Errno::EBADF | Errno::EFAULT | Errno::EINVAL | Errno::ENOTSOCK => Verdict::Fatal,
        // EMFILE, ENFILE, ENOBUFS and ENOMEM among them.
        _ => Verdict::Pause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_one_client_are_retried_shortages_wait_and_a_lost_listener_is_fatal() {
        let table = [
            (Verdict::Retry, &[Errno::ECONNABORTED, Errno::EPROTO, Errno::EINTR, Errno::EPERM][..]),
            (Verdict::Retry, &[Errno::ENETDOWN, Errno::EHOSTUNREACH, Errno::ENOPROTOOPT]),
            (Verdict::Retry, &[Errno::EHOSTDOWN, Errno::ENONET, Errno::ENETUNREACH]),
            (Verdict::Pause, &[Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM]),
            (Verdict::Pause, &[Errno::EACCES, Errno::ENOSYS, Errno::UnknownErrno]),
            (Verdict::Fatal, &[Errno::EBADF, Errno::EINVAL, Errno::ENOTSOCK]),
        ];
        for (verdict, errnos) in table {
            for errno in errnos {
                assert_eq!(classify(*errno), verdict, "{errno}");
            }
        }
    }
}
