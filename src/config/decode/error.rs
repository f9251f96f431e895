//! The errors that serde's types may raise, on their way to becoming findings.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::config::value::split_help;

/// Why a value could not be read. The place knows where, and what stands there.
#[derive(Debug)]
pub(super) enum Error {
    /// It has become a finding already.
    Reported,
    /// Something else was expected.
    Wrong { expected: String, help: Option<String> },
    /// The right type, but no value of it.
    Bad { message: String, help: Option<String> },
}

impl Error {
    /// Of the wrong type; `expected` may carry a cure.
    pub(super) fn wrong(expected: &dyn fmt::Display) -> Self {
        let expected = expected.to_string();
        let (expected, help) = split_help(&expected);
        Self::Wrong { expected: expected.to_owned(), help: help.map(str::to_owned) }
    }

    /// No good value; `message` may carry a cure.
    pub(super) fn bad(message: &dyn fmt::Display) -> Self {
        let message = message.to_string();
        let (message, help) = split_help(&message);
        Self::Bad { message: message.to_owned(), help: help.map(str::to_owned) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reported => f.write_str("reported"),
            Self::Wrong { expected, .. } => write!(f, "expected {expected}"),
            Self::Bad { message, .. } => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::bad(&message)
    }

    /// What was found is said by the place, which knows how it was written.
    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::wrong(&expected)
    }
}
