//! The admin socket: who may ask, and passing on what is asked.
//!
//! Every client has a task of its own, a bound on what it sends and on how long it takes; the
//! supervisor is asked through a channel and never waits for a client.

mod answer;
pub mod client;
pub mod protocol;
pub(super) mod report;

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixListener as StdListener,
    },
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, Interest},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc, oneshot},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tracing::{info, warn};

use self::protocol::{Answer, Command, MAX_REQUEST};
use crate::{
    plan::{Bind, BindAddress, BindKey},
    policy::{ListenerId, UnixSocket},
    runtime::bind::BoundSocket,
    supervisor::binder::{Binder, BinderError, Opened},
    sys,
};

/// Clients at a time. The rest wait in the kernel's queue.
const CLIENTS: usize = 16;

/// Clients that may wait there: nobody asks so often.
const BACKLOG: u32 = 16;

/// Questions that may wait for the supervisor.
pub(super) const QUESTIONS: usize = CLIENTS;

/// Time for a client to say what it wants, and to read what it is told.
const PATIENCE: Duration = Duration::from_secs(5);

/// After a failure to accept, which is a lack of descriptors that may pass.
const PAUSE: Duration = Duration::from_millis(500);

/// The permission to connect that a mode gives the group.
const GROUP_WRITES: u32 = 0o020;

/// A question of a client.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) command: Command,
    /// Whether the client is the user of this process, or root, rather than of its group.
    pub(super) of_owner: bool,
    pub(super) answer: oneshot::Sender<Reply>,
}

/// An answer, and the channel that may come with it.
#[derive(Debug)]
pub(super) struct Reply {
    answer: Answer,
    channel: Option<OwnedFd>,
}

/// An admin socket that listens.
#[derive(Debug)]
pub(super) struct AdminSocket {
    socket: BoundSocket,
    binder: Binder,
    /// Dropped to end the accepting.
    open: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self { answer, channel: None }
    }
}

impl Reply {
    /// One end of a channel.
    pub(super) fn with(channel: OwnedFd) -> Self {
        Self { answer: Answer::Channel, channel: Some(channel) }
    }

    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Answer::Refused { reason: reason.into() }.into()
    }
}

/// The socket in the words of a plan, in which it does not stand because it serves no listener.
pub(super) fn bind(wanted: &UnixSocket) -> Bind {
    let address = BindAddress::Unix(wanted.path.clone());
    Bind {
        key: BindKey { address, device: None, unnumbered: None },
        // No listener can have this name.
        listener: ListenerId::new("runtime.admin"),
        sockets: std::num::NonZeroU16::MIN,
        backlog: BACKLOG,
        link: None,
        unix: Some(wanted.clone()),
        inherited: None,
    }
}

impl AdminSocket {
    /// Puts the socket in its place and answers there.
    ///
    /// # Errors
    /// When that fails.
    pub(super) fn serve(
        opened: Opened,
        binder: Binder,
        mode: u32,
        questions: mpsc::Sender<Question>,
    ) -> Result<Self, AdminError> {
        let mut sockets = binder.listen(vec![opened])?;
        let socket = sockets.pop().ok_or(BinderError::Unexpected)?;
        let listener = StdListener::from(socket.as_fd().try_clone_to_owned()?);
        let listener = UnixListener::from_std(listener)?;
        let (open, closed) = oneshot::channel();
        let desk = Desk { questions, mode };
        let task = tokio::spawn(accept(listener, desk, closed));
        Ok(Self { socket, binder, open, task })
    }

    /// Answers nobody new; those who are being answered are.
    pub(super) fn close(self) {
        self.remove_file();
        drop(self.open);
    }

    /// Removes the file, unless another process has put its own there.
    pub(super) fn remove_file(&self) {
        self.binder.remove_file(&self.socket);
    }

    /// Answers nobody new, and waits for those who are being answered.
    pub(super) async fn end(self) {
        drop(self.open);
        // A panic of it has been told, and is no reason not to end.
        drop(self.task.await);
    }
}

/// Why there is no admin socket.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
    /// It cannot be bound.
    #[error(transparent)]
    Bind(#[from] BinderError),
    /// It cannot be polled.
    #[error("cannot serve the admin socket")]
    Serve(#[from] io::Error),
}

/// What a client's task needs.
#[derive(Debug)]
struct Desk {
    questions: mpsc::Sender<Question>,
    mode: u32,
}

async fn accept(listener: UnixListener, desk: Desk, mut closed: oneshot::Receiver<()>) {
    let (desk, places) = (Arc::new(desk), Arc::new(Semaphore::new(CLIENTS)));
    let mut clients = JoinSet::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            _ = &mut closed => break,
            Some(_client) = clients.join_next() => continue,
            next = next => next,
        };
        match accepted {
            Ok((stream, _)) => {
                let desk = Arc::clone(&desk);
                clients.spawn(async move {
                    let _place = place;
                    if let Err(error) = desk.attend(stream).await {
                        info!(%error, "a client of the admin socket is gone");
                    }
                });
            }
            Err(error) => {
                warn!(%error, "cannot accept on the admin socket");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    while clients.join_next().await.is_some() {}
}

impl Desk {
    async fn attend(&self, mut stream: UnixStream) -> io::Result<()> {
        let (_, peer) = sys::socket::peer_credentials(stream.as_fd())?;
        let of_owner = peer == 0 || peer == sys::process::effective_user();
        // The kernel has held the mode already. Where it lets in nobody but the owner, this is to
        // be sure; where it lets in the group, the kernel alone knows who is of it.
        let reply = if of_owner || self.mode & GROUP_WRITES != 0 {
            let request = timeout(PATIENCE, request(&mut stream)).await??;
            match protocol::read(&request) {
                Ok(command) => self.ask(command, of_owner).await,
                Err(error) => Reply::refused(error.to_string()),
            }
        } else {
            Reply::refused("this socket is for the user of the process")
        };
        timeout(PATIENCE, tell(&mut stream, reply)).await?
    }

    async fn ask(&self, command: Command, of_owner: bool) -> Reply {
        let (answer, answered) = oneshot::channel();
        let question = Question { command, of_owner, answer };
        let gone = || Reply::refused("the process is about to end");
        if self.questions.send(question).await.is_err() {
            return gone();
        }
        answered.await.unwrap_or_else(|_| gone())
    }
}

/// Reads one line.
async fn request(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut buffer = [0; 512];
    while !line.contains(&b'\n') {
        if line.len() > MAX_REQUEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the request is too long"));
        }
        match stream.read(&mut buffer).await? {
            0 => break,
            count => line.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(line)
}

async fn tell(stream: &mut UnixStream, reply: Reply) -> io::Result<()> {
    let line = protocol::write(&reply.answer);
    if let Some(channel) = reply.channel {
        // So short a line goes out as a whole, and the descriptor with its first byte.
        let send = || sys::scm::send(stream.as_fd(), &line, &[channel.as_fd()]);
        stream.async_io(Interest::WRITABLE, send).await?;
        return Ok(());
    }
    stream.write_all(&line).await?;
    stream.shutdown().await
}
