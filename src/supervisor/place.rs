//! Where a running service keeps what belongs to the process rather than to its listeners: its lock
//! and, unless the file names another, its admin socket.
//!
//! Both are named after the service file, by the path that was given, made absolute: two services
//! of one host have two files and never meet, while a second copy of the same has the same name
//! however often the file was replaced. The admin socket would be no name, because a reload can
//! change it; nor the folder, because services share it.

use std::{
    env,
    fmt::Write as _,
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, chown},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{
    policy::{Admin, Runtime, UnixSocket},
    sys::process::{self, Account, ROOT},
};

/// Bytes of the hash in a name: enough that no two files meet, and short, as socket paths have to
/// be.
const NAME_BYTES: usize = 8;

/// For the user of the process alone.
const PRIVATE: u32 = 0o600;

/// The same for a folder.
const PRIVATE_FOLDER: u32 = 0o700;

/// Where everybody may make folders.
const SHARED: &str = "/tmp";

/// The bits by which others could put something else in a folder.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The names of one service.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The folder and the names in it without their endings.
    stem: PathBuf,
}

impl Place {
    /// The place of a service file, whose folder is made if need be, and given to the account that
    /// is to serve.
    ///
    /// # Errors
    /// When no folder can be had, with the reason for the last.
    pub(super) fn of(file: &Path, account: Option<&Account>) -> io::Result<Self> {
        let name = name_of(file)?;
        let user = account.map_or_else(process::effective_user, |account| account.user);
        let mut reason = io::Error::from(io::ErrorKind::NotFound);
        for folder in folders(user) {
            match own(&folder, account) {
                Ok(()) => return Ok(Self { stem: folder.join(name) }),
                Err(error) => {
                    reason = io::Error::new(
                        error.kind(),
                        format!("cannot use `{}`: {error}", folder.display()),
                    );
                }
            }
        }
        Err(reason)
    }

    /// One that another process has found: no folder and no name of its own are made for it.
    pub(super) fn at(stem: PathBuf) -> Self {
        Self { stem }
    }

    /// What the names begin with, for another process.
    pub(super) fn stem(&self) -> &Path {
        &self.stem
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        self.stem.parent().expect("`Place::of` joins a name to a folder")
    }

    /// The instance lock.
    pub(super) fn lock(&self) -> PathBuf {
        self.stem.with_extension("lock")
    }

    /// The admin socket of a file that names none.
    fn admin(&self) -> PathBuf {
        self.stem.with_extension("sock")
    }
}

/// The admin socket that is wanted, if any is. Without a place there can be none but a named one.
pub(super) fn admin_socket(admin: &Admin, place: Option<&Place>) -> Option<UnixSocket> {
    match admin {
        Admin::None => None,
        Admin::At(socket) => Some(socket.clone()),
        Admin::Private => place.map(|place| private(place.admin())),
    }
}

/// Where the admin socket of a running service may be, the likeliest first. Root looks where the
/// user would have it who serves.
///
/// # Errors
/// When the path of the file cannot be made absolute.
pub fn admin_sockets(file: &Path, runtime: &Runtime) -> io::Result<Vec<UnixSocket>> {
    Ok(match &runtime.admin {
        Admin::None => Vec::new(),
        Admin::At(socket) => vec![socket.clone()],
        Admin::Private => {
            let name = name_of(file)?;
            let asking = process::effective_user();
            let serving = runtime.account.as_ref().filter(|_| asking == ROOT);
            let serving = serving.and_then(|named| process::user_id(&named.user).ok().flatten());
            let user = serving.unwrap_or(asking);
            // Below it anybody may have made a folder by our name.
            let is_trusted = |folder: &PathBuf| !folder.starts_with(SHARED) || is_own(folder, user);
            let folders = folders(user).filter(is_trusted);
            folders.map(|folder| private(folder.join(&name).with_extension("sock"))).collect()
        }
    })
}

fn private(path: PathBuf) -> UnixSocket {
    UnixSocket { path, mode: PRIVATE, owner: None, group: None }
}

/// The folders that may be the runtime directory of a user, the best first: what the service
/// manager has made, the system's, the session's, and for those who have none of these one of their
/// own.
fn folders(user: u32) -> impl Iterator<Item = PathBuf> {
    let given = given();
    // A session is that of who is logged in, and not of another user.
    let session = env::var_os("XDG_RUNTIME_DIR").filter(|_| user == process::effective_user());
    let session = session.map(|folder| Path::new(&folder).join("portcullis"));
    let own = format!("portcullis-{user}");
    let system = Path::new("/run");
    let folders = [
        given,
        Some(system.join("portcullis")),
        session,
        Some(system.join(&own)),
        Some(Path::new(SHARED).join(own)),
    ];
    folders.into_iter().flatten().filter(|folder| folder.is_absolute())
}

/// The folder that the service manager has made for this service alone.
fn given() -> Option<PathBuf> {
    env::var_os("RUNTIME_DIRECTORY").and_then(|list| env::split_paths(&list).next())
}

/// Makes sure that the folder is there, belongs to who is to serve, and is nobody else's to write
/// to.
fn own(folder: &Path, account: Option<&Account>) -> io::Result<()> {
    let user = account.map_or_else(process::effective_user, |account| account.user);
    let is_new = match fs::DirBuilder::new().mode(PRIVATE_FOLDER).create(folder) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(error),
    };
    // The service manager makes it for whom it has started, which is root. A link may lead to what
    // was made for others.
    let is_given = given().is_some_and(|given| given == folder) && !folder.is_symlink();
    let is_made_for_us = is_given && is_own(folder, ROOT);
    if let Some(account) = account.filter(|_| is_new || is_made_for_us) {
        chown(folder, Some(account.user), Some(account.group))?;
    }
    if is_own(folder, user) {
        return Ok(());
    }
    let message = "it is not a folder that the user who serves alone can write to";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

fn is_own(folder: &Path, user: u32) -> bool {
    // A service manager may have put a link there; whoever else did has no folder of ours.
    fs::metadata(folder).is_ok_and(|found| {
        found.is_dir() && found.uid() == user && found.mode() & WRITABLE_BY_OTHERS == 0
    })
}

fn name_of(file: &Path) -> io::Result<String> {
    let absolute = std::path::absolute(file)?;
    let hash = Sha256::digest(absolute.as_os_str().as_encoded_bytes());
    let mut name = String::from("service-");
    for byte in hash.iter().take(NAME_BYTES) {
        write!(name, "{byte:02x}").expect("a string takes everything");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_has_one_name_and_another_file_another() {
        let name = |file: &str| name_of(Path::new(file)).unwrap();
        assert_eq!(name("/etc/a.yaml"), name("/etc/a.yaml"));
        assert_eq!(name("/etc/a.yaml"), name("/etc//./a.yaml"));
        assert_ne!(name("/etc/a.yaml"), name("/etc/b.yaml"));
        assert_eq!(name("a.yaml"), name(std::path::absolute("a.yaml").unwrap().to_str().unwrap()));
    }

    #[test]
    fn a_folder_is_made_private_and_one_that_others_write_to_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("run");
        own(&folder, None).unwrap();
        let mode = |folder: &Path| fs::metadata(folder).unwrap().mode() & 0o777;
        assert_eq!(mode(&folder), PRIVATE_FOLDER);
        own(&folder, None).unwrap();
        let link = outer.path().join("link");
        symlink(&folder, &link).unwrap();
        own(&link, None).unwrap();
        for open in [0o770, 0o707, 0o777] {
            fs::set_permissions(&folder, fs::Permissions::from_mode(open)).unwrap();
            assert_eq!(own(&folder, None).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
        let file = outer.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(own(&file, None).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(
            own(&outer.path().join("a/b"), None).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
