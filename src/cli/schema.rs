//! `schema`: the JSON Schema of the service file, or of the guardrail file.

use std::io::Write;

use super::{Error, Exit, args};
use crate::config::schema::{guardrail_file, service_file};

pub(super) fn schema(args: &args::Schema, out: &mut dyn Write) -> Result<Exit, Error> {
    let schema = if args.guardrails { guardrail_file() } else { service_file() };
    writeln!(out, "{schema:#}")?;
    Ok(Exit::Ok)
}
