//! Before anything is served: a process that binds is started, and this one gives up what serving
//! does not need.
//!
//! All of it holds for the threads that are started later, so there may be none yet.

use std::io;

use tracing::{info, warn};

use super::{Failure, Options, binder::Binder, load, place::Place, set_up};
use crate::{
    compile,
    facts::Facts,
    policy::{self, Runtime},
    sys::{
        process::{self, Account},
        sandbox,
    },
};

/// The number of the user that no permission stops.
const ROOT: u32 = 0;

/// What this process has beside itself, and what it is.
#[derive(Debug)]
pub(super) struct Service {
    /// Who binds for it.
    pub(super) binder: Binder,
    /// Where it keeps its own, if it may.
    pub(super) place: Option<Place>,
    /// Whether the binder may bind ports below 1024.
    may_bind_privileged: bool,
    /// Whom it has become.
    account: Option<Account>,
}

impl Service {
    /// Starts the binder, and becomes whom the file names, confined.
    ///
    /// What the file says is judged afterwards, by whom it is to bind: so far only who that is
    /// counts.
    ///
    /// # Errors
    /// When the file cannot be read, its user is not there, or a process cannot be started.
    pub(super) fn enter(options: &Options) -> Result<Self, Failure> {
        let content = load::once(&options.file)
            .map_err(|source| Failure::Unreadable { path: options.file.clone(), source })?;
        let shown = options.file.display().to_string();
        let runtime = compile::runtime(&shown, &content.bytes);
        let is_root = process::effective_user() == ROOT;
        let account = runtime.account.as_ref().filter(|_| is_root).map(account).transpose()?;
        let account = account.filter(|account| account.user != ROOT);
        let place = place(options, account.as_ref());
        let may_bind_privileged = process::may_bind_privileged().unwrap_or(false);
        let stem = place.as_ref().map(Place::stem);
        let binder = Binder::start(&options.program, stem, account.as_ref());
        let binder = binder.map_err(set_up("start the process that binds"))?;
        // Who is told to serve as root may need what root can.
        if account.is_some() || !is_root {
            give_up_privileges(account.as_ref())
                .map_err(set_up("give up the privileges of the start"))?;
        }
        let service = Self { binder, place, may_bind_privileged, account };
        service.confine(&runtime)?;
        Ok(service)
    }

    fn confine(&self, runtime: &Runtime) -> Result<(), Failure> {
        sandbox::forbid_new_privileges().map_err(set_up("forbid new privileges"))?;
        let log = runtime.access_log.as_ref().and_then(|log| log.path.as_deref());
        let folder = self.place.as_ref().map(|place| place.folder().to_owned());
        let writable: Vec<_> =
            folder.into_iter().chain(log.into_iter().flat_map(sandbox::folders_of)).collect();
        match sandbox::restrict_files(&writable) {
            Ok(confinement) => {
                for lacking in confinement.lacking {
                    warn!(%lacking, "the sandbox is not whole on this host");
                }
            }
            Err(error) => warn!(%error, "this process may write wherever its user may"),
        }
        let user = process::effective_user();
        let name = process::user_name(user).unwrap_or_else(|| user.to_string());
        info!(user = %name, ?writable, "confined: it starts no program, binds nothing and writes here only");
        Ok(())
    }

    /// Forbids what the start of the event loop still needed.
    pub(super) fn close_in() {
        if let Err(error) = sandbox::restrict_calls() {
            warn!(%error, "this process may start programs and bind as its user may");
        }
    }

    /// The host as it is for this service: what needs a privilege, the binder does.
    pub(super) fn facts(&self, facts: Facts) -> Facts {
        let may_bind_privileged = self.may_bind_privileged;
        let serves_as_root = process::effective_user() == ROOT;
        Facts { may_bind_privileged, serves_as_root, ..facts }
    }

    /// A file that could not be read, with who was to.
    pub(super) fn unreadable(&self, error: io::Error) -> io::Error {
        let Some(account) = self.account.as_ref() else { return error };
        let user = account.name.clone().unwrap_or_else(|| account.user.to_string());
        let kind = error.kind();
        io::Error::new(kind, format!("{error} (user `{user}` has to be able to, to follow it)"))
    }
}

fn account(named: &policy::Account) -> Result<Account, Failure> {
    Ok(Account::find(&named.user, named.group.as_deref())?)
}

fn give_up_privileges(account: Option<&Account>) -> io::Result<()> {
    sandbox::bound_capabilities()?;
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
