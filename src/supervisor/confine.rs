//! Before anything is served: a process that binds is started, and this one gives up what serving
//! does not need.
//!
//! All of it holds for the threads that are started later, so there may be none yet.

use std::{
    io,
    path::{Path, PathBuf},
};

use tracing::{info, warn};

use super::{Failure, Options, binder::Binder, load, place::Place, set_up};
use crate::{
    compile,
    facts::Facts,
    policy::Runtime,
    sys::{
        process::{self, Account, ROOT},
        sandbox,
    },
};

/// Having one tells you that this process is who it is to be, and that another binds for it.
#[derive(Debug)]
pub(super) struct Service {
    /// Who binds for it.
    pub(super) binder: Binder,
    /// Where it keeps its own, if it may.
    pub(super) place: Option<Place>,
    /// Whether the binder may bind ports below 1024.
    may_bind_privileged: bool,
    /// Whether it is another user than the one who has started it.
    has_changed_user: bool,
    /// Where it may write, if the kernel holds that.
    writable: Vec<PathBuf>,
}

impl Service {
    /// Starts the binder, and becomes whom the file names, confined.
    ///
    /// Of the file only `runtime` is read here, for who serves and where the log is; it is judged
    /// later, here and by the binder, each for itself.
    ///
    /// # Errors
    /// When the file cannot be read, its user is not there, or a process cannot be started.
    pub(super) fn enter(options: &Options) -> Result<Self, Failure> {
        let content = load::once(&options.file)
            .map_err(|source| Failure::Unreadable { path: options.file.clone(), source })?;
        let shown = options.file.display().to_string();
        let runtime = compile::runtime(&shown, &content.bytes);
        let is_root = process::effective_user() == ROOT;
        let named = runtime.account.as_ref().filter(|_| is_root);
        let account =
            named.map(|named| Account::find(&named.user, named.group.as_deref())).transpose()?;
        let account = account.filter(|account| account.user != ROOT);
        let place = place(options, account.as_ref());
        let may_bind_privileged = process::may_bind_privileged().unwrap_or(false);
        let stem = place.as_ref().map(Place::stem);
        let binder = Binder::start(&options.program, stem, account.as_ref());
        let binder = binder.map_err(set_up("start the process that binds"))?;
        // Who is told to serve as root may need what root can.
        if account.is_some() || !is_root {
            give_up_privileges(account.as_ref()).map_err(set_up(
                "become the user of `runtime.user` (it takes CAP_SETUID, CAP_SETGID and CAP_SETPCAP, \
                 and in a user namespace that it has this user)",
            ))?;
        }
        let writable = Self::confine(place.as_ref(), &runtime)?;
        let has_changed_user = account.is_some();
        Ok(Self { binder, place, may_bind_privileged, has_changed_user, writable })
    }

    /// Confines this process, and returns where it may write.
    fn confine(place: Option<&Place>, runtime: &Runtime) -> Result<Vec<PathBuf>, Failure> {
        sandbox::forbid_new_privileges().map_err(set_up("forbid new privileges"))?;
        let log = runtime.access_log.as_ref().and_then(|log| log.path.as_deref());
        let folder = place.map(|place| place.folder().to_owned());
        let writable: Vec<_> =
            folder.into_iter().chain(log.into_iter().flat_map(sandbox::places_of)).collect();
        match sandbox::restrict_files(&writable) {
            Ok(all_lacking) => {
                for lacking in all_lacking {
                    warn!(%lacking, "the sandbox is not whole on this host");
                }
            }
            Err(error) => warn!(%error, "this process may write wherever its user may"),
        }
        Ok(writable)
    }

    /// Forbids what the start of the event loop still needed, and says how things are now.
    pub(super) fn close_in(&self) {
        if let Err(error) = sandbox::restrict_calls() {
            warn!(%error, "this process may start programs and bind as its user may");
        }
        let user = self.user();
        info!(user, writable = ?self.writable, "this process serves, and another binds");
    }

    /// The user it serves as: a name, or a number without one.
    pub(super) fn user(&self) -> String {
        process::user_or_number(process::effective_user())
    }

    /// The host as it is for this service: what needs a privilege, the binder does.
    pub(super) fn facts(&self, facts: Facts) -> Facts {
        let may_bind_privileged = self.may_bind_privileged;
        let serves_as_root = process::effective_user() == ROOT;
        Facts { may_bind_privileged, serves_as_root, ..facts }
    }

    /// A file that could not be written, with who was to and where that is possible.
    pub(super) fn unwritable(&self, path: &Path, error: io::Error) -> io::Error {
        let kind = error.kind();
        let mut why = format!("`{}`: {error}", path.display());
        if kind == io::ErrorKind::PermissionDenied {
            why.push_str(&format!("; user `{}` has to be able to write it", self.user()));
            let is_within = |place: &PathBuf| path.starts_with(place);
            if !self.writable.iter().any(is_within) {
                why.push_str(", and a log in another folder is for `portcullis upgrade` to take");
            }
        }
        io::Error::new(kind, why)
    }

    /// A file that could not be read, with who was to.
    pub(super) fn unreadable(&self, error: io::Error) -> io::Error {
        let is_denied = error.kind() == io::ErrorKind::PermissionDenied;
        if !(is_denied && self.has_changed_user) {
            return error;
        }
        let user = self.user();
        let kind = error.kind();
        io::Error::new(
            kind,
            format!("{error} (user `{user}`, who serves, has to be able to read it)"),
        )
    }
}

fn give_up_privileges(account: Option<&Account>) -> io::Result<()> {
    sandbox::clear_bounding_set()?;
    if let Some(account) = account {
        account.assume()?;
    }
    sandbox::drop_capabilities()
}

fn place(options: &Options, account: Option<&Account>) -> Option<Place> {
    match Place::of(&options.file, account) {
        Ok(place) => Some(place),
        Err(error) => {
            warn!(%error, "no runtime directory, so no instance lock");
            None
        }
    }
}
