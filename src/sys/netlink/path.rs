//! The kernel's listening path sockets, whoever owns them (`man 7 sock_diag`, "UNIX domain
//! sockets").

use std::{
    ffi::OsString,
    fs, io,
    os::unix::{ffi::OsStringExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use nix::sys::stat::{major, minor};

use super::{
    diag::{LISTEN, SOCK_DIAG_BY_FAMILY},
    dump,
    message::Attributes,
};
use crate::sys::bytes::take;

/// More path sockets than a host has; a table beyond it is refused rather than cut.
const MAX_SOCKETS: usize = 1 << 18;

/// Show the name that the socket was bound to, and the file that it has become.
const SHOW: u32 = 0b11;

/// Attribute: the name at the time of the bind; it may have been moved since.
const UNIX_DIAG_NAME: u16 = 0;

/// Attribute: inode and device of the file.
const UNIX_DIAG_VFS: u16 = 1;

/// A listening path socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathSocket {
    /// Its number in `/proc/*/fd`, which is not that of the file.
    pub inode: u32,
    /// The name that it was bound to.
    pub bound_to: PathBuf,
    /// The file that it is, whatever its name is now.
    pub file: Option<FileOnDevice>,
}

/// A file, by the numbers of the kernel's file system rather than those of `stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileOnDevice {
    /// The device, major and minor.
    pub device: (u32, u32),
    /// The inode, of which the kernel tells the lower half.
    pub inode: u32,
}

impl FileOnDevice {
    /// The file at a path, through links. Some file systems (overlays, subvolumes) show another
    /// device to `stat` than the kernel has inside.
    ///
    /// # Errors
    /// When there is none, or this process may not see it.
    pub fn at(path: &Path) -> io::Result<Self> {
        let file = fs::metadata(path)?;
        let number = |part: u64| u32::try_from(part).expect("both parts of a device are 32 bits");
        let device = (number(major(file.dev())), number(minor(file.dev())));
        let [a, b, c, d, ..] = file.ino().to_le_bytes();
        Ok(Self { device, inode: u32::from_le_bytes([a, b, c, d]) })
    }
}

/// Every listening path socket of this network namespace. Sockets in the abstract namespace are
/// left out: they have no path.
///
/// # Errors
/// When the kernel refuses the question, its answer makes no sense, or there are too many.
pub fn path_listeners() -> io::Result<Vec<PathSocket>> {
    let mut sockets: Vec<PathSocket> = Vec::new();
    let mut all = true;
    dump(libc::NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, &body(), |_, answer| {
        all = sockets.len() < MAX_SOCKETS;
        if all {
            sockets.extend(read(answer));
        }
    })?;
    if !all {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "there are too many sockets"));
    }
    Ok(sockets)
}

/// `struct unix_diag_req`.
fn body() -> Vec<u8> {
    let family = u8::try_from(libc::AF_UNIX).expect("families are small");
    let mut body = vec![family, 0, 0, 0];
    body.extend(LISTEN.to_ne_bytes());
    // Any inode.
    body.extend(0u32.to_ne_bytes());
    body.extend(SHOW.to_ne_bytes());
    // The cookie of any socket.
    body.extend([0xff; 8]);
    body
}

/// `struct unix_diag_msg` and its attributes; `None` for what has no path.
fn read(mut payload: &[u8]) -> Option<PathSocket> {
    let [family, _kind, _state, _pad] = take(&mut payload)?;
    let inode = u32::from_ne_bytes(take(&mut payload)?);
    let _cookie: [u8; 8] = take(&mut payload)?;
    let (mut name, mut file) = (None, None);
    for (kind, value) in Attributes::of(payload) {
        match kind {
            UNIX_DIAG_NAME => name = path(value),
            UNIX_DIAG_VFS => file = read_file(value),
            _ => {}
        }
    }
    let bound_to = name.filter(|_| i32::from(family) == libc::AF_UNIX)?;
    Some(PathSocket { inode, bound_to, file })
}

/// An abstract name begins with a NUL; that of a path may end in one.
fn path(name: &[u8]) -> Option<PathBuf> {
    let path = name.split(|byte| *byte == 0).next().filter(|path| !path.is_empty())?;
    Some(OsString::from_vec(path.to_vec()).into())
}

/// `struct unix_diag_vfs`. The device is as the kernel has it inside: 12 bits and 20 bits.
fn read_file(mut value: &[u8]) -> Option<FileOnDevice> {
    let inode = u32::from_ne_bytes(take(&mut value)?);
    let device = u32::from_ne_bytes(take(&mut value)?);
    Some(FileOnDevice { device: (device >> 20, device & 0xf_ffff), inode })
}

#[cfg(test)]
mod tests {
    use std::os::{fd::AsFd as _, unix::net::UnixListener};

    use super::*;

    #[test]
    fn a_listener_is_found_by_its_file_even_when_it_was_moved() {
        let folder = tempfile::tempdir().unwrap();
        let (before, after) = (folder.path().join("before"), folder.path().join("after"));
        let listener = UnixListener::bind(&before).unwrap();
        fs::rename(&before, &after).unwrap();
        let inode = crate::sys::socket::inode(listener.as_fd()).unwrap();
        let found = path_listeners().unwrap();
        let mine = found.iter().find(|it| u64::from(it.inode) == inode).unwrap();
        assert_eq!(mine.bound_to, before);
        assert_eq!(mine.file, Some(FileOnDevice::at(&after).unwrap()));
    }

    #[test]
    fn a_cut_or_foreign_answer_is_no_socket_and_no_panic() {
        let mut bytes = vec![u8::try_from(libc::AF_UNIX).unwrap(), 1, 10, 0];
        bytes.extend([7, 0, 0, 0]);
        bytes.extend([0; 8]);
        bytes.extend([12, 0, 1, 0, 9, 0, 0, 0, 3, 0, 0x10, 0]);
        bytes.extend([6, 0, 0, 0, b'/', b'a', 0, 0]);
        let read_whole = read(&bytes).unwrap();
        assert_eq!((read_whole.inode, read_whole.bound_to), (7, "/a".into()));
        assert_eq!(read_whole.file, Some(FileOnDevice { device: (1, 3), inode: 9 }));
        for end in 0..bytes.len() - 2 {
            assert!(read(&bytes[..end]).is_none(), "{end}");
        }
        bytes[0] = 2;
        assert!(read(&bytes).is_none());
        assert_eq!(path(b"\0abstract"), None);
    }
}
