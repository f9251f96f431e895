//! `facts`: this host's addresses and settings as a file.

use std::io::Write;

use super::{Error, Exit, host};
use crate::facts::file;

pub(super) fn facts(out: &mut dyn Write) -> Result<Exit, Error> {
    writeln!(out, "{}", file::write(&host()?))?;
    Ok(Exit::Ok)
}
