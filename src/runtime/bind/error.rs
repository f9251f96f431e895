//! What went wrong in opening a socket.

use std::{borrow::Cow, fmt, io};

use serde::{Deserialize, Serialize};

use super::{cause::Cause, evidence};
use crate::{
    plan::{Bind, BindKey},
    policy::ListenerId,
};

/// A socket could not be had. [`BindError::why`] and [`BindError::help`] are for the person on
/// call.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {key} for listener `{listener}`")]
pub struct BindError {
    /// Whose socket.
    pub listener: ListenerId,
    /// Which socket.
    pub key: Box<BindKey>,
    /// What was being done.
    pub step: Step,
    /// What the kernel said.
    pub source: io::Error,
    /// What is behind it.
    pub cause: Box<Cause>,
}

/// What is done to make a socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Asking whether it may be had.
    Grant,
    /// Taking over what the service manager passes in.
    Inherit,
    /// `socket`.
    Create,
    /// `setsockopt`, and reading back what it set.
    Option(Cow<'static, str>),
    /// Looking at what is at the path already.
    Probe,
    /// `bind`.
    Bind,
    /// `chown` and `chmod` of a path socket.
    Permissions,
    /// `listen`.
    Listen,
    /// `rename` of a path socket to its place.
    Publish,
}

/// A system call that failed, before anybody asked why.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) source: io::Error,
}

impl Step {
    /// `setsockopt` of this option.
    pub(super) fn option(name: &'static str) -> Self {
        Self::Option(Cow::Borrowed(name))
    }
}

impl BindError {
    /// What is behind the error, one finding a line.
    #[must_use]
    pub fn why(&self) -> Vec<String> {
        self.cause.why(&self.key)
    }

    /// What can be done about it, one way a line.
    #[must_use]
    pub fn help(&self) -> Vec<String> {
        self.cause.help(&self.key)
    }

    /// For `map_err`, where the cause is still to be found out.
    pub(super) fn at(step: Step, bind: &Bind) -> impl FnOnce(io::Error) -> Self {
        move |source| Failure { step, source }.of(bind)
    }
}

impl Failure {
    /// For `map_err`.
    pub(super) fn at(step: Step) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { step, source }
    }

    /// The error of the bind, with what is behind it.
    pub(super) fn of(self, bind: &Bind) -> BindError {
        let cause = evidence::explain(&self, bind, bind.key.socket_addr());
        self.because(bind, cause)
    }

    /// The error of the bind, when what is behind it is known already.
    pub(super) fn because(self, bind: &Bind, cause: Cause) -> BindError {
        BindError {
            listener: bind.listener.clone(),
            key: Box::new(bind.key.clone()),
            step: self.step,
            source: self.source,
            cause: Box::new(cause),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grant => "get leave for",
            Self::Inherit => "inherit",
            Self::Create => "create a socket on",
            Self::Option(name) => return write!(f, "set {name} of"),
            Self::Probe => "use",
            Self::Bind => "bind",
            Self::Permissions => "set owner and mode of",
            Self::Listen => "listen on",
            Self::Publish => "put in place",
        })
    }
}
