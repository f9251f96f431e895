//! `schema`: the JSON Schema of the service file.

use std::io::Write;

use super::{Error, Exit};
use crate::config::schema::service_file;

pub(super) fn schema(out: &mut dyn Write) -> Result<Exit, Error> {
    writeln!(out, "{:#}", service_file())?;
    Ok(Exit::Ok)
}
