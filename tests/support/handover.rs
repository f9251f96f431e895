//! One side of a hand-over, played by the test word by word.

use std::{
    io::{self, Write as _},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
};

use portcullis::{
    supervisor::upgrade::frame::{Frame, Item, MAX_FRAME, Message, VERSION},
    sys::scm,
};

use super::wait::{DEADLINE, eventually_some};

/// One end of the channel.
pub(crate) struct End {
    socket: OwnedFd,
    sent: u32,
}

impl End {
    /// Two ends, the second for a program as its standard input.
    pub(crate) fn pair() -> (Self, OwnedFd) {
        let (near, far) = scm::pair().unwrap();
        (Self { socket: near, sent: 0 }, far)
    }

    /// Asks the process behind this admin socket to hand over.
    #[track_caller]
    pub(crate) fn of(admin: &Path) -> Self {
        let mut stream = UnixStream::connect(admin).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(b"{\"portcullis_admin\":1,\"command\":\"take_over\"}\n").unwrap();
        let mut line = [0; 512];
        let mut received = scm::receive(stream.as_fd(), &mut line).unwrap();
        let text = String::from_utf8_lossy(&line[..received.length]).into_owned();
        let socket = received.descriptors.pop().unwrap_or_else(|| panic!("{text}"));
        Self { socket, sent: 0 }
    }

    pub(crate) fn say(&mut self, message: Message) -> u32 {
        self.say_with(message, &[])
    }

    /// Says something with descriptors, and returns its number.
    pub(crate) fn say_with(&mut self, message: Message, with: &[BorrowedFd<'_>]) -> u32 {
        self.sent += 1;
        let bytes = Frame { sequence: self.sent, message }.write().unwrap();
        self.say_bytes(&bytes, with);
        self.sent
    }

    pub(crate) fn say_bytes(&self, bytes: &[u8], with: &[BorrowedFd<'_>]) {
        scm::send(self.socket.as_fd(), bytes, with).unwrap();
    }

    /// The next thing that is said; `None` once the other end is closed.
    #[track_caller]
    pub(crate) fn hear(&self) -> Option<(Frame, Vec<OwnedFd>)> {
        let mut buffer = vec![0; MAX_FRAME];
        let received = eventually_some("something is said", || {
            match scm::receive(self.socket.as_fd(), &mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                // What was said last comes after it.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => None,
                received => Some(received.unwrap()),
            }
        });
        let bytes = &buffer[..received.length];
        (!bytes.is_empty()).then(|| (Frame::read(bytes).unwrap(), received.descriptors))
    }

    /// The next thing that is said, without what comes with it.
    #[track_caller]
    pub(crate) fn message(&self) -> Message {
        self.hear().expect("the other end is closed").0.message
    }

    /// Says what a new process says first, and returns the answer.
    #[track_caller]
    pub(crate) fn greet(&mut self) -> Message {
        self.say(Message::Hello { versions: vec![VERSION], build: "test".to_owned(), pid: 1 });
        self.message()
    }

    /// Takes everything there is, as a new process.
    #[track_caller]
    pub(crate) fn take(&mut self) -> Vec<(Item, OwnedFd)> {
        let Message::Welcome { descriptors: all, .. } = self.greet() else { panic!("no welcome") };
        self.say(Message::Get);
        let mut taken = Vec::new();
        while taken.len() < all as usize {
            let (frame, descriptors) = self.hear().expect("the other end is closed");
            let Message::Batch { items } = frame.message else { panic!("{frame:?}") };
            assert_eq!(items.len(), descriptors.len());
            let received = u32::try_from(items.len()).unwrap();
            taken.extend(items.into_iter().zip(descriptors));
            self.say(Message::Ack { sequence: frame.sequence, received });
        }
        taken
    }

    /// Welcomes a new process that has said hello, as an old one with so many descriptors, and
    /// waits until it wants them.
    #[track_caller]
    pub(crate) fn welcome(&mut self, descriptors: u32) {
        assert!(matches!(self.message(), Message::Hello { .. }));
        let build = "test".to_owned();
        let (version, pid, generation) = (VERSION, 1, 7);
        self.say(Message::Welcome { version, build, pid, generation, descriptors });
        assert_eq!(self.message(), Message::Get);
    }
}
