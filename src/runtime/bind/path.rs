//! Path sockets: made aside with their owner and mode, and put in place only when they listen.
//!
//! The file never exists under its path with other permissions, a reload replaces it in one step,
//! and a start that fails leaves what was there.

use std::{
    fs, io,
    os::{
        fd::AsRawFd,
        unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    process,
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag},
    unistd::{Gid, Uid, fchownat},
};
use serde::{Deserialize, Serialize};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{
    Neighbour,
    cause::{Cause, Owner, PathTrouble, Process},
    error::{BindError, Failure, Step},
};
use crate::{plan::Bind, policy::UnixSocket, sys};

/// Names tried for a socket before it is in place. One is in use if this process died here and its
/// id came again.
const MAX_NAMES: u32 = 64;

/// The bits of a mode that `chmod` sets.
const PERMISSIONS: u32 = 0o7777;

/// Which file it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileId {
    /// The file system's number.
    pub device: u64,
    /// The file's number in it.
    pub inode: u64,
}

/// A path socket that is bound to a name of its own.
#[derive(Debug)]
pub(super) struct Pending {
    socket: Socket,
    aside: Aside,
    path: PathBuf,
    before: Before,
}

/// What is at the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing, and it must stay so until the socket is put in place.
    Nothing,
    /// A socket that nobody listens on, or our own.
    Replaceable,
}

/// A file that goes when this does; empty if it has gone elsewhere.
#[derive(Debug)]
struct Aside(PathBuf);

/// Makes the socket aside; nothing changes at its path.
pub(super) fn open(bind: &Bind, path: &Path, neighbour: Neighbour) -> Result<Pending, BindError> {
    // It is bound under a shorter name, and moving that to a path that no client can name would
    // succeed.
    SockAddr::unix(path).map_err(|source| too_long(Failure { step: Step::Bind, source }, bind))?;
    let before = occupant(bind, path, neighbour)?;
    if bind.sockets.get() > 1 {
        // Linux has no SO_REUSEPORT for them.
        let step = Step::option("SO_REUSEPORT");
        return Err(BindError::at(step, bind)(Errno::EOPNOTSUPP.into()));
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)
        .map_err(BindError::at(Step::Create, bind))?;
    let aside = bind_aside(&socket, bind, path)?;
    set_owner_and_mode(&aside.0, bind)?;
    Ok(Pending { socket, aside, path: path.to_owned(), before })
}

/// Removes the file of a path socket, if it is still this one.
///
/// # Errors
/// When the directory cannot be read or written.
pub fn remove(path: &Path, file: FileId) -> io::Result<()> {
    match FileId::of(path) {
        // Between the two calls another may come; a listener that starts there now finds its own
        // way.
        Ok(found) if found == file && is_socket(path) => fs::remove_file(path),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether what is at the path has the mode and the owner that are wanted. What cannot be seen has
/// not.
#[must_use]
pub fn is_as_wanted(wanted: &UnixSocket) -> bool {
    let id_is = |name: Option<&str>, look_up: fn(&str) -> io::Result<Option<u32>>, own, found| {
        let id = name.map_or(Ok(Some(own)), look_up);
        id.is_ok_and(|id| id == Some(found))
    };
    fs::symlink_metadata(&wanted.path).is_ok_and(|found| {
        let (user, group) = (sys::process::effective_user(), sys::process::effective_group());
        found.permissions().mode() & PERMISSIONS == wanted.mode
            && id_is(wanted.owner.as_deref(), sys::process::user_id, user, found.uid())
            && id_is(wanted.group.as_deref(), sys::process::group_id, group, found.gid())
    })
}

/// Whether the file is at the path. One that cannot be seen is taken to be gone.
pub(super) fn is_at(path: &Path, file: FileId) -> bool {
    FileId::of(path).is_ok_and(|found| found == file)
}

impl Pending {
    /// Listens, and puts the socket in place.
    pub(super) fn listen(mut self, bind: &Bind) -> Result<(Socket, FileId), BindError> {
        let backlog = i32::try_from(bind.backlog).unwrap_or(i32::MAX);
        self.socket.listen(backlog).map_err(BindError::at(Step::Listen, bind))?;
        let file = FileId::of(&self.aside.0).map_err(BindError::at(Step::Publish, bind))?;
        let placed = match self.before {
            // Unlike a rename, a link never takes the place of another, who may have come
            // meanwhile.
            Before::Nothing => fs::hard_link(&self.aside.0, &self.path),
            Before::Replaceable => self.aside.replace(&self.path),
        };
        placed.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => Failure { step: Step::Publish, source }
                .because(bind, Cause::Path(PathTrouble::Held(None))),
            _ => BindError::at(Step::Publish, bind)(source),
        })?;
        Ok((self.socket, file))
    }
}

impl FileId {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

impl Aside {
    fn replace(&mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.0, path)?;
        self.0 = PathBuf::new();
        Ok(())
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            // Nobody is left to tell, and the next start takes another name.
            drop(fs::remove_file(&self.0));
        }
    }
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// Looks at what is at the path.
fn occupant(bind: &Bind, path: &Path, neighbour: Neighbour) -> Result<Before, BindError> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Before::Nothing),
        Err(error) => return Err(BindError::at(Step::Probe, bind)(error)),
    };
    if !kind.is_socket() {
        let failure = Failure { step: Step::Probe, source: Errno::EEXIST.into() };
        return Err(failure.because(bind, Cause::Path(PathTrouble::Occupied)));
    }
    if neighbour == Neighbour::Own {
        return Ok(Before::Replaceable);
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)
        .map_err(BindError::at(Step::Probe, bind))?;
    let address = SockAddr::unix(path)
        .map_err(|source| too_long(Failure { step: Step::Probe, source }, bind))?;
    let held = |owner| {
        let failure = Failure { step: Step::Probe, source: Errno::EADDRINUSE.into() };
        Err(failure.because(bind, Cause::Path(PathTrouble::Held(owner))))
    };
    let Err(error) = socket.connect(&address) else { return held(owner(&socket)) };
    match Errno::from_raw(error.raw_os_error().unwrap_or_default()) {
        // Its queue is full, or it is a datagram socket: alive either way.
        Errno::EAGAIN | Errno::EPROTOTYPE => held(None),
        Errno::ECONNREFUSED => Ok(Before::Replaceable),
        Errno::ENOENT => Ok(Before::Nothing),
        _ => Err(BindError::at(Step::Probe, bind)(error)),
    }
}

/// Who listens at the other end.
fn owner(socket: &Socket) -> Option<Owner> {
    let (pid, uid) = sys::socket::peer_credentials(socket).ok()?;
    // A process of another pid namespace has number 0 here.
    let pid = u32::try_from(pid).ok().filter(|pid| *pid != 0);
    let process = pid.map(|pid| Process {
        pid,
        name: sys::process::name_of(pid).unwrap_or_else(|| "a process".into()),
        program: None,
    });
    let user = sys::process::user_or_number(uid);
    Some(Owner { processes: process.into_iter().collect(), user, ..Owner::default() })
}

fn bind_aside(socket: &Socket, bind: &Bind, path: &Path) -> Result<Aside, BindError> {
    for number in 0..MAX_NAMES {
        // Short, because the path has few bytes to spare.
        let name = path.with_file_name(format!(".{:x}.{number:x}", process::id()));
        let address = SockAddr::unix(&name)
            .map_err(|source| too_long(Failure { step: Step::Bind, source }, bind))?;
        match socket.bind(&address) {
            Ok(()) => return Ok(Aside(name)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(BindError::at(Step::Bind, bind)(error)),
        }
    }
    Err(BindError::at(Step::Bind, bind)(Errno::EADDRINUSE.into()))
}

fn too_long(failure: Failure, bind: &Bind) -> BindError {
    failure.because(bind, Cause::Path(PathTrouble::TooLong))
}

/// Nobody can connect meanwhile: the socket does not listen.
fn set_owner_and_mode(file: &Path, bind: &Bind) -> Result<(), BindError> {
    let Some(wanted) = &bind.unix else { return Ok(()) };
    let user = id_of(wanted.owner.as_deref(), sys::process::user_id, bind)?;
    let group = id_of(wanted.group.as_deref(), sys::process::group_id, bind)?;
    give_away(file, (user, group), wanted.mode).map_err(BindError::at(Step::Permissions, bind))
}

/// Sets owner and mode of the socket that was just made at the path, and of no other file: whoever
/// can write in the folder may have put a link to one of root's there.
pub(super) fn give_away(
    path: &Path,
    (user, group): (Option<u32>, Option<u32>),
    mode: u32,
) -> io::Result<()> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
    let file = fs::OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let found = file.metadata()?;
    let is_own = found.file_type().is_socket() && found.uid() == sys::process::effective_user();
    // Of a socket that is somebody's already there would be a second name.
    if !is_own || found.nlink() != 1 {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "another file is in its place"));
    }
    let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
    if user.is_some() || group.is_some() {
        fchownat(&file, "", user, group, AtFlags::AT_EMPTY_PATH)?;
    }
    // A descriptor that only names a file cannot be given a mode by itself.
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::set_permissions(name, fs::Permissions::from_mode(mode))
}

fn id_of(
    name: Option<&str>,
    look_up: fn(&str) -> io::Result<Option<u32>>,
    bind: &Bind,
) -> Result<Option<u32>, BindError> {
    let Some(name) = name else { return Ok(None) };
    match look_up(name) {
        Ok(Some(id)) => Ok(Some(id)),
        Ok(None) => {
            let source = io::ErrorKind::NotFound.into();
            let failure = Failure { step: Step::Permissions, source };
            Err(failure.because(bind, Cause::Path(PathTrouble::NoSuchAccount(name.to_owned()))))
        }
        Err(error) => Err(BindError::at(Step::Permissions, bind)(error)),
    }
}
