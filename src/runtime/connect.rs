//! One attempt to reach one backend.

use std::{io, net::SocketAddr, time::Duration};

use nix::errno::Errno;
use tokio::{
    net::{TcpSocket, TcpStream, UnixStream},
    time,
};

use crate::{
    relay::{Stream, outcome::ConnectFailure},
    runtime::upstream::Target,
};

/// Connects, within a time.
pub(super) async fn connect(
    target: Target<'_>,
    within: Duration,
) -> Result<Stream, ConnectFailure> {
    let attempt = async {
        match target {
            Target::Ip(address) => tcp(address).await.map(Stream::from),
            Target::Unix(path) => UnixStream::connect(path).await.map(Stream::from),
        }
    };
    match time::timeout(within, attempt).await {
        Ok(connected) => connected.map_err(|error| judge(&error)),
        Err(_) => Err(ConnectFailure::TimedOut),
    }
}

/// The option is set before connecting, while nobody waits for it.
async fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

/// What an error of an attempt means: who is to blame, and so whether another backend may do
/// better.
///
/// A shortage here says nothing about the backend, so it is not blamed. The next backend is tried
/// all the same, because ports run out per backend address, and because a host whose IPv6 is
/// switched off reports the same error for an IPv6 backend (EADDRNOTAVAIL).
///
/// A path socket whose queue is full reports EAGAIN at once, where TCP would go on asking. An
/// unknown error is taken to concern that one backend: trying the next is cheap, and ends by
/// itself.
fn judge(error: &io::Error) -> ConnectFailure {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ECONNREFUSED | Errno::ECONNRESET | Errno::EAGAIN | Errno::ENOENT) => {
            ConnectFailure::Refused
        }
        Some(Errno::ETIMEDOUT) => ConnectFailure::TimedOut,
        Some(
            Errno::EADDRNOTAVAIL
            | Errno::EADDRINUSE
            | Errno::EMFILE
            | Errno::ENFILE
            | Errno::ENOBUFS
            | Errno::ENOMEM
            | Errno::ENOSPC,
        ) => ConnectFailure::Local,
        _ => ConnectFailure::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, path::Path};

    use super::*;
    use crate::runtime::sample::test_runtime;

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn only_a_shortage_of_this_host_is_local() {
        let table = [
            (Errno::ECONNREFUSED, ConnectFailure::Refused),
            (Errno::EAGAIN, ConnectFailure::Refused),
            (Errno::ENOENT, ConnectFailure::Refused),
            (Errno::ETIMEDOUT, ConnectFailure::TimedOut),
            (Errno::EHOSTUNREACH, ConnectFailure::Unreachable),
            (Errno::ENETUNREACH, ConnectFailure::Unreachable),
            (Errno::EACCES, ConnectFailure::Unreachable),
            (Errno::EPERM, ConnectFailure::Unreachable),
            (Errno::EAFNOSUPPORT, ConnectFailure::Unreachable),
            (Errno::EADDRNOTAVAIL, ConnectFailure::Local),
            (Errno::EMFILE, ConnectFailure::Local),
            (Errno::ENFILE, ConnectFailure::Local),
            (Errno::ENOBUFS, ConnectFailure::Local),
            (Errno::ENOMEM, ConnectFailure::Local),
        ];
        for (errno, expected) in table {
            assert_eq!(judge(&io::Error::from(errno)), expected, "{errno}");
        }
    }

    #[test]
    fn nobody_listening_is_refused_by_address_and_by_path() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (absent, plain) = (folder.path().join("absent"), folder.path().join("plain"));
        std::fs::write(&plain, "").unwrap();
        test_runtime(async {
            let to = async |target| connect(target, SOON).await.map(drop);
            assert_eq!(to(Target::Ip(closed)).await, Err(ConnectFailure::Refused));
            assert_eq!(to(Target::Unix(&absent)).await, Err(ConnectFailure::Refused));
            assert_eq!(to(Target::Unix(&plain)).await, Err(ConnectFailure::Refused));
            let endless = "/".repeat(200);
            assert_eq!(
                to(Target::Unix(Path::new(&endless))).await,
                Err(ConnectFailure::Unreachable)
            );
        });
    }

    #[test]
    fn connections_do_not_wait_for_more_to_send() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        test_runtime(async {
            let stream = tcp(listener.local_addr().unwrap()).await.unwrap();
            assert!(stream.nodelay().unwrap());
        });
    }
}
