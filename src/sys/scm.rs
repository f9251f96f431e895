//! Messages that carry descriptors, over unix sockets.

#![expect(unsafe_code, reason = "a received descriptor is a bare number until somebody owns it")]

use std::{
    fs::File,
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use nix::{
    cmsg_space,
    errno::Errno,
    sys::socket::{
        AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
        sendmsg, socketpair,
    },
    unistd::dup2_stdin,
};

/// Descriptors that the kernel lets one message carry (`SCM_MAX_FD`). There is always room for so
/// many, so none is ever cut off for want of it.
pub const MAX_DESCRIPTORS: usize = 253;

/// What one message brought.
#[derive(Debug)]
pub struct Received {
    /// How many bytes; 0 when the other end is closed.
    pub length: usize,
    /// Descriptors, closed on exec, in the order in which they were sent.
    pub descriptors: Vec<OwnedFd>,
}

/// Two ends of a channel that keeps messages apart, not blocking and closed on exec.
///
/// # Errors
/// When the kernel refuses.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?)
}

/// Does it again when a signal has come between: where a time-out is set, the kernel restarts
/// nothing, whatever SA_RESTART says (`man 7 signal`).
///
/// # Errors
/// Whatever else went wrong.
pub fn uninterrupted<T>(mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match act() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Takes a channel that was left as standard input, in whose place nothing can be read then.
///
/// # Errors
/// When there is none.
pub fn standard_input() -> io::Result<OwnedFd> {
    let channel = io::stdin().as_fd().try_clone_to_owned()?;
    dup2_stdin(File::open("/dev/null")?)?;
    Ok(channel)
}

/// Sends a message with descriptors, which stay open here.
///
/// # Errors
/// `EAGAIN` when the other end has not read enough yet and the socket does not block; `EPIPE` when
/// it is closed.
pub fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control = if numbers.is_empty() { &[] } else { rights.as_slice() };
    let (number, flags) = (socket.as_raw_fd(), MsgFlags::MSG_NOSIGNAL);
    Ok(sendmsg::<()>(number, &[IoSlice::new(bytes)], control, flags, None)?)
}

/// Receives a message and its descriptors, all of them or none.
///
/// # Errors
/// `EAGAIN` when there is none in time; `EMSGSIZE` when it does not fit the buffer; `ENOBUFS` when
/// this process may not have so many descriptors.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = cmsg_space!([RawFd; MAX_DESCRIPTORS]);
    let mut slices = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message =
        recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(control.as_mut_slice()), flags)?;
    let mut descriptors = Vec::new();
    // It fails where the kernel has cut off descriptors (MSG_CTRUNC). With so much room that means
    // that this process has too many already, and it is about to give up.
    for carried in message.cmsgs()? {
        let ControlMessageOwned::ScmRights(numbers) = carried else { continue };
        // SAFETY: the kernel has just made these descriptors for this message, and nothing else
        // knows them.
        descriptors.extend(numbers.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
    }
    if message.flags.contains(MsgFlags::MSG_TRUNC) {
        return Err(Errno::EMSGSIZE.into());
    }
    Ok(Received { length: message.bytes, descriptors })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::fd::AsFd,
        os::unix::net::UnixStream,
    };

    use nix::fcntl::{FcntlArg, FdFlag, fcntl};

    use super::*;

    #[test]
    fn descriptors_arrive_in_order_closed_on_exec_and_alive() {
        let (near, far) = pair().unwrap();
        let pairs: Vec<_> = (0..3).map(|_| UnixStream::pair().unwrap()).collect();
        let sent: Vec<_> = pairs.iter().map(|(end, _)| end.as_fd()).collect();
        assert_eq!(send(near.as_fd(), b"three", &sent).unwrap(), 5);
        let mut buffer = [0; 16];
        let received = receive(far.as_fd(), &mut buffer).unwrap();
        assert_eq!((&buffer[..received.length], received.descriptors.len()), (&b"three"[..], 3));
        for (number, fd) in (0..).zip(received.descriptors) {
            let flags = FdFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFD).unwrap());
            assert!(flags.contains(FdFlag::FD_CLOEXEC));
            UnixStream::from(fd).write_all(&[number]).unwrap();
            let mut byte = [9];
            (&pairs[usize::from(number)].1).read_exact(&mut byte).unwrap();
            assert_eq!(byte, [number]);
        }
    }

    #[test]
    fn messages_stay_apart_and_one_that_does_not_fit_is_no_message() {
        let (near, far) = pair().unwrap();
        for text in ["first", "far too long for it", "last"] {
            send(near.as_fd(), text.as_bytes(), &[]).unwrap();
        }
        let mut buffer = [0; 8];
        assert_eq!(receive(far.as_fd(), &mut buffer).unwrap().length, 5);
        let cut = receive(far.as_fd(), &mut buffer).unwrap_err();
        assert_eq!(cut.raw_os_error(), Some(Errno::EMSGSIZE as i32));
        assert_eq!(receive(far.as_fd(), &mut buffer).unwrap().length, 4);
        let none = receive(far.as_fd(), &mut buffer).unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::WouldBlock);
        drop(near);
        assert_eq!(receive(far.as_fd(), &mut buffer).unwrap().length, 0);
    }

    #[test]
    fn nobody_can_send_more_descriptors_than_there_is_room_for() {
        let (near, _far) = pair().unwrap();
        let many = vec![near.as_fd(); MAX_DESCRIPTORS + 1];
        let refused = send(near.as_fd(), b"x", &many).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        send(near.as_fd(), b"x", &many[1..]).unwrap();
    }
}
