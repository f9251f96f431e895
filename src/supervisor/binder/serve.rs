//! The process that binds: asked over its standard input, one request after the other, until the
//! other end is closed.

use std::{
    collections::BTreeMap,
    io,
    num::NonZeroU16,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    time::Duration,
};

use nix::errno::Errno;
use socket2::{Socket, Type};
use tracing::{info, warn};

use super::{
    authority::Authority,
    launch::Launched,
    message::{self, Answer, Beside, Listening, MAX_BATCH, MAX_MESSAGE, Request, Trouble, Wanted},
};
use crate::{
    runtime::bind::{self, Bound, BoundSocket, FileId, Handed, Neighbour},
    supervisor::{Failure, Options, place::Place, set_up},
    sys::{
        process::{self, Account},
        scm,
    },
};

/// Serves until whoever asks is gone. That one keeps what belongs to the process at this place, and
/// has become this account.
///
/// # Errors
/// When standard input is no channel.
pub fn serve(
    options: &Options,
    place: Option<PathBuf>,
    account: Option<Account>,
) -> Result<(), Failure> {
    let channel = channel().map_err(set_up("take the channel of a process that serves"))?;
    process::block_signals_to_all().map_err(set_up("block signals"))?;
    // It was started by a name that says nothing; where it has none, nothing is lost.
    drop(process::call_this(c"portcullis-bind"));
    let place = place.map(Place::at);
    // By its numbers alone nobody knows its groups; of a user without an entry there are none.
    let account = account.map(|one| one.with_name().unwrap_or(one));
    let mut clerk = Clerk {
        authority: Authority::new(options, place, account.clone()),
        account,
        bound: BTreeMap::new(),
        last_ticket: 0,
        named: Vec::new(),
        launched: Launched::default(),
        options,
    };
    while let Some(request) = receive(&channel).map_err(set_up("read a request"))? {
        if let Err(error) = clerk.attend(&channel, request) {
            // It is gone, or about to be: the next read tells.
            info!(%error, "an answer was not heard");
        }
    }
    Ok(())
}

fn channel() -> io::Result<Socket> {
    let channel = Socket::from(scm::standard_input()?);
    if channel.r#type().ok() != Some(Type::SEQPACKET) {
        let message = "standard input is none: `run` starts this command, nobody else does";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    channel.set_nonblocking(false)?;
    Ok(channel)
}

/// A request with its descriptors, or why it is none.
type Received = (io::Result<(u64, Request)>, Vec<OwnedFd>);

/// The next request; `None` when nobody can ask any more.
fn receive(channel: &Socket) -> io::Result<Option<Received>> {
    let mut buffer = vec![0; MAX_MESSAGE];
    match scm::uninterrupted(|| scm::receive(channel.as_fd(), &mut buffer)) {
        Ok(received) if received.length == 0 => Ok(None),
        Ok(received) => {
            let bytes = buffer.get(..received.length).unwrap_or_default();
            Ok(Some((message::read(bytes), received.descriptors)))
        }
        // It ended over an answer that it had not read.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
        // It was too long, or its descriptors were too many; the next may not be.
        Err(error) if is_of_one_message(&error) => Ok(Some((Err(error), Vec::new()))),
        Err(error) => Err(error),
    }
}

fn is_of_one_message(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EMSGSIZE | Errno::ENOBUFS | Errno::EMFILE))
}

/// Does what it is asked, as far as the file lets it.
struct Clerk<'a> {
    authority: Authority<'a>,
    /// Who serves, where this process is root and that one is not.
    account: Option<Account>,
    /// What is open and does not listen yet: one of each bind.
    bound: BTreeMap<u64, Bound>,
    last_ticket: u64,
    /// Tickets of those that are to listen together, as far as they have been named.
    named: Vec<u64>,
    launched: Launched,
    options: &'a Options,
}

impl Clerk<'_> {
    fn attend(&mut self, channel: &Socket, (request, fds): Received) -> io::Result<()> {
        let (number, request) = match request {
            Ok(request) => request,
            Err(error) => {
                let answer = Answer::refused(format!("it cannot be read: {error}"));
                return Client { channel, number: 0 }.tell(&answer, &[]);
            }
        };
        let client = Client { channel, number };
        match request {
            Request::Listen { tickets, more } => {
                self.named.extend(tickets);
                if more { client.tell(&Answer::Done, &[]) } else { self.listen(&client) }
            }
            Request::Abandon { ticket } => {
                drop(self.bound.remove(&ticket));
                Ok(())
            }
            request => client.tell(&self.answer(request, fds), &[]),
        }
    }

    fn answer(&mut self, request: Request, fds: Vec<OwnedFd>) -> Answer {
        match request {
            Request::Judge { what } => {
                // Whatever is left is of a change that came to nothing.
                self.bound.clear();
                self.named.clear();
                match self.authority.judge(what) {
                    Ok(()) => Answer::Done,
                    Err(reasons) => Answer::Refused { reasons },
                }
            }
            Request::Open { sockets } if sockets.len() > MAX_BATCH => {
                Answer::refused("these are too many at a time")
            }
            Request::Open { sockets } => {
                let mut live = fds.into_iter();
                let opened = sockets.into_iter().map(|wanted| self.open(wanted, &mut live));
                Answer::Opened { sockets: opened.collect() }
            }
            Request::Commit => {
                self.authority.commit();
                Answer::Done
            }
            Request::Remove { path, file } => self.remove(&path, file),
            Request::Launch => match fds.into_iter().next() {
                Some(input) => self.launched.launch(&self.options.program, input),
                None => Answer::refused("it is to get a descriptor"),
            },
            Request::End { within_ms } => self.launched.end(Duration::from_millis(within_ms)),
            Request::Listen { .. } | Request::Abandon { .. } => {
                Answer::refused("it is answered elsewhere")
            }
        }
    }

    fn open(
        &mut self,
        wanted: Wanted,
        live: &mut impl Iterator<Item = OwnedFd>,
    ) -> Result<u64, Box<Trouble>> {
        let joined = matches!(wanted.beside, Beside::Joining(_)).then(|| live.next()).flatten();
        let granted = self.authority.grants(&wanted.key);
        let bind = granted.map_err(|reason| {
            warn!(socket = %wanted.key, reason, "refused to bind what nobody has granted");
            Box::new(Trouble::not_granted(wanted.key.clone(), reason))
        })?;
        if self.bound.values().any(|bound| *bound.key() == bind.key) {
            let reason = "it is open, and was not asked to listen";
            return Err(Box::new(Trouble::not_granted(wanted.key, reason)));
        }
        let opened =
            |neighbour| self.on_the_way_to(bind.key.path(), || bind::open(&bind, neighbour));
        let bound = match wanted.beside {
            Beside::Nothing => opened(Neighbour::None),
            Beside::Own => opened(Neighbour::Own),
            Beside::Joining(more) => {
                let more = NonZeroU16::new(more).filter(|more| *more < bind.sockets);
                // Whoever asks might send any socket: it has to be one of this very address.
                let live = joined.and_then(|fd| Handed::recognise(fd).ok());
                let live = live.filter(|live| live.is_of(&bind.key));
                let (Some(more), Some(live)) = (more, live) else {
                    let reason = "the group that is to grow is not of this address";
                    return Err(Box::new(Trouble::not_granted(wanted.key, reason)));
                };
                Ok(bind::open_siblings(&live, &bind, more))
            }
        };
        let bound = match bound {
            Ok(bound) => bound.map_err(|error| Box::new(Trouble::from(error)))?,
            Err(error) => {
                return Err(Box::new(Trouble::not_granted(wanted.key, &error.to_string())));
            }
        };
        self.last_ticket += 1;
        self.bound.insert(self.last_ticket, bound);
        Ok(self.last_ticket)
    }

    fn listen(&mut self, client: &Client<'_>) -> io::Result<()> {
        let tickets = std::mem::take(&mut self.named);
        let bound = tickets.into_iter().map(|ticket| Some((ticket, self.bound.remove(&ticket)?)));
        let Some(bound) = bound.collect::<Option<Vec<_>>>() else {
            return client.tell(&Answer::refused("there is no such ticket"), &[]);
        };
        let (mut listening, mut errors) = (Vec::new(), Vec::new());
        for (ticket, bound) in bound {
            let key = bound.key().clone();
            match self.on_the_way_to(key.path(), || bound.listen()) {
                Ok(Ok(sockets)) => listening.extend(sockets.into_iter().map(|one| (ticket, one))),
                Ok(Err(error)) => errors.push(Trouble::from(error)),
                Err(error) => errors.push(Trouble::not_granted(key, &error.to_string())),
            }
        }
        if errors.is_empty() {
            return client.hand_over(&listening);
        }
        // A path socket that took its place already gives it back by removing its file.
        for (path, file) in listening.iter().filter_map(|(_, socket)| socket.named_file()) {
            if let Err(error) =
                self.on_the_way_to(Some(path), || bind::remove(path, file)).flatten()
            {
                warn!(%error, path = %path.display(), "cannot remove the socket's file");
            }
        }
        errors.truncate(MAX_BATCH);
        client.tell(&Answer::Unbound { errors }, &[])
    }

    /// Does something at a path. Where who serves could lead this process elsewhere, it is done as
    /// that user, who cannot get further by it than by itself.
    fn on_the_way_to<T>(&self, path: Option<&Path>, act: impl FnOnce() -> T) -> io::Result<T> {
        match (&self.account, path) {
            (Some(account), Some(path))
                if process::could_redirect(account, path).unwrap_or(true) =>
            {
                account.act(act)
            }
            _ => Ok(act()),
        }
    }

    fn remove(&self, path: &Path, file: FileId) -> Answer {
        if !self.authority.has_had(path) {
            return Answer::refused("no file that was judged good has this path");
        }
        match self.on_the_way_to(Some(path), || bind::remove(path, file)).flatten() {
            Ok(()) => Answer::Done,
            Err(error) => Answer::refused(error.to_string()),
        }
    }
}

/// Whoever has asked, and with which number.
struct Client<'a> {
    channel: &'a Socket,
    number: u64,
}

impl Client<'_> {
    /// Passes sockets on, with which this process has done all that it has to.
    fn hand_over(&self, listening: &[(u64, BoundSocket)]) -> io::Result<()> {
        let mut batches = listening.chunks(MAX_BATCH).peekable();
        if batches.peek().is_none() {
            return self.tell(&Answer::Listening { sockets: Vec::new(), more: false }, &[]);
        }
        while let Some(batch) = batches.next() {
            let sockets = batch.iter().map(|(ticket, socket)| Listening {
                ticket: *ticket,
                address: socket.address().clone(),
                file: socket.file(),
            });
            let (sockets, more) = (sockets.collect(), batches.peek().is_some());
            let fds: Vec<_> = batch.iter().map(|(_, socket)| socket.as_fd()).collect();
            self.tell(&Answer::Listening { sockets, more }, &fds)?;
        }
        Ok(())
    }

    fn tell(&self, answer: &Answer, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = message::write(&(self.number, answer))?;
        scm::uninterrupted(|| scm::send(self.channel.as_fd(), &bytes, fds)).map(drop)
    }
}
