//! What a service manager and a service tell each other: `man 3 sd_notify`, `man 3 sd_listen_fds`.

#![expect(unsafe_code, reason = "the environment is changed, and descriptors come as numbers")]

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    os::{
        fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    process,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::Duration,
};

use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    time::{ClockId, clock_gettime},
};

use super::scm;

/// The first descriptor that is passed (`SD_LISTEN_FDS_START`).
const FIRST: RawFd = 3;

/// Time for the service manager to read a message. It is one process that does everything, and may
/// be busy with all its units for a moment; a service that waited for longer would be stuck itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// The name of a descriptor that was passed without one.
const UNNAMED: &str = "unknown";

/// What the service manager has given to this process.
#[derive(Debug, Default)]
pub struct Provided {
    /// Where it wants to hear from this process (`NOTIFY_SOCKET`).
    pub notify: Option<Notify>,
    /// How often it wants a sign of life, at the least (`WATCHDOG_USEC`).
    pub watchdog: Option<Duration>,
    /// Descriptors, closed on exec (`LISTEN_FDS`).
    pub passed: Vec<Passed>,
}

/// A descriptor that was passed.
#[derive(Debug)]
pub struct Passed {
    /// What it is called: `FileDescriptorName=` of a socket unit, or `FDNAME=` as it was stored.
    pub name: String,
    /// The descriptor.
    pub fd: OwnedFd,
}

/// Where the service manager listens for messages.
#[derive(Debug, Clone)]
pub struct Notify(SocketAddr);

/// Takes what the service manager has given, and out of the environment what is about this process
/// alone: a child that takes its place is given its own. To be called once, before there are
/// threads.
///
/// # Errors
/// When it was called before, there are threads, or the environment makes no sense.
pub fn take() -> io::Result<Provided> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let lone = fs::read_dir("/proc/self/task")?.count() == 1;
    if !lone || TAKEN.swap(true, SeqCst) {
        return Err(io::Error::other("what a service manager passes is taken once and first"));
    }
    let own = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"];
    let [pid, count, names, watched] = own.map(env::var_os);
    for name in own {
        // SAFETY: nobody else reads or writes the environment meanwhile, because there is no other
        // thread: they have been counted.
        unsafe { env::remove_var(name) };
    }
    let watchdog = for_this_process(watched.as_deref(), true)
        .then(|| env::var_os("WATCHDOG_USEC").as_deref().map(number))
        .flatten()
        .transpose()?
        .filter(|microseconds| *microseconds > 0);
    let passed = if for_this_process(pid.as_deref(), false) {
        named(count.as_deref().map_or(Ok(0), number)?, names.as_deref())?
    } else {
        Vec::new()
    };
    Ok(Provided {
        notify: env::var_os("NOTIFY_SOCKET").as_deref().map(Notify::at).transpose()?,
        watchdog: watchdog.map(Duration::from_micros),
        passed: passed.into_iter().map(owned).collect::<io::Result<_>>()?,
    })
}

/// The time that systemd compares with its own (CLOCK_MONOTONIC), in microseconds.
///
/// # Errors
/// When the kernel has no such clock.
pub fn monotonic_microseconds() -> io::Result<u128> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?).as_micros())
}

impl Notify {
    /// Reads an address as it is given: a path, or `@` and a name that is no file.
    ///
    /// # Errors
    /// When it is neither.
    pub fn at(text: &OsStr) -> io::Result<Self> {
        match text.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            [b'/', ..] => SocketAddr::from_pathname(text),
            _ => Err(senseless("NOTIFY_SOCKET", text)),
        }
        .map(Self)
    }

    /// Sends assignments, one a line, and descriptors with them, at most
    /// [`scm::MAX_DESCRIPTORS`]. They stay open here.
    ///
    /// # Errors
    /// When nobody listens, or nobody reads in time.
    pub fn send(&self, state: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.connect_addr(&self.0)?;
        scm::send(socket.as_fd(), state.as_bytes(), descriptors).map(drop)
    }
}

/// Whether a variable that names a process means this one.
fn for_this_process(pid: Option<&OsStr>, without: bool) -> bool {
    pid.map_or(without, |pid| pid.to_str() == Some(process::id().to_string().as_str()))
}

fn number(text: &OsStr) -> io::Result<u64> {
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| senseless("LISTEN_FDS or WATCHDOG_USEC", text))
}

/// The numbers of descriptors with their names. Nothing is claimed about the descriptors.
fn named(count: u64, names: Option<&OsStr>) -> io::Result<Vec<(RawFd, String)>> {
    let count = i32::try_from(count).ok().and_then(|count| count.checked_add(FIRST));
    let end = count.ok_or_else(|| senseless("LISTEN_FDS", &OsString::from("too many")))?;
    let names = names.map(OsStr::to_string_lossy);
    let mut names = names.as_deref().filter(|names| !names.is_empty()).map(|it| it.split(':'));
    let mut passed = Vec::new();
    for fd in FIRST..end {
        let name = match &mut names {
            Some(names) => names.next().ok_or_else(|| too_few(fd))?,
            None => UNNAMED,
        };
        passed.push((fd, name.to_owned()));
    }
    Ok(passed)
}

/// Takes a descriptor over.
fn owned((number, name): (RawFd, String)) -> io::Result<Passed> {
    // SAFETY: it is only asked for its flags, which fails if it is not open, and nothing else in
    // this process, which has one thread, could close it meanwhile.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = fcntl(borrowed, FcntlArg::F_GETFD)?;
    let flags = FdFlag::from_bits_retain(flags) | FdFlag::FD_CLOEXEC;
    fcntl(borrowed, FcntlArg::F_SETFD(flags))?;
    // SAFETY: it is open, as just seen; whoever started this process has left it to this function,
    // which runs once and gives each number to one owner.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    Ok(Passed { name, fd })
}

fn senseless(variable: &str, value: &OsStr) -> io::Error {
    let value = value.to_string_lossy();
    io::Error::new(io::ErrorKind::InvalidInput, format!("{variable} makes no sense: `{value}`"))
}

fn too_few(fd: RawFd) -> io::Error {
    let message = format!("LISTEN_FDNAMES has no name for descriptor {fd}");
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_have_the_names_that_were_passed_or_none_had_one() {
        let of = |count, names: Option<&str>| {
            let named = named(count, names.map(OsStr::new)).ok()?;
            Some(named.into_iter().map(|(fd, name)| format!("{fd}={name}")).collect::<Vec<_>>())
        };
        assert_eq!(of(0, None), Some(vec![]));
        assert_eq!(of(2, None), Some(vec!["3=unknown".into(), "4=unknown".into()]));
        assert_eq!(of(2, Some("web:pc.1")), Some(vec!["3=web".into(), "4=pc.1".into()]));
        assert_eq!(of(1, Some("web:more")), Some(vec!["3=web".into()]));
        assert_eq!(of(2, Some("web")), None);
        assert_eq!(of(u64::MAX, None), None);
    }

    #[test]
    fn a_message_goes_to_a_path_or_a_name_and_to_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let heard = |socket: UnixDatagram, address: &OsStr| {
            Notify::at(address).unwrap().send("READY=1", &[socket.as_fd()]).unwrap();
            let mut buffer = [0; 64];
            let length = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"READY=1");
        };
        heard(UnixDatagram::bind(&path).unwrap(), path.as_os_str());
        let name = format!("portcullis-test-{}", process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        heard(UnixDatagram::bind_addr(&address).unwrap(), OsStr::new(&format!("@{name}")));
        for wrong in ["", "notify", "vsock:2:1"] {
            assert!(Notify::at(OsStr::new(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_process_with_threads_takes_nothing() {
        // Every test runs on a thread beside the first.
        assert!(take().is_err());
    }
}
