//! `--fix`: repairs in the files themselves, before they are judged.

use std::{
    io::{self, Write as _},
    path::Path,
};

use crate::{
    cli::{Error, read, whole_file},
    compile::{Compiled, fix},
    source::Source,
};

/// Repairs one file, or leaves it as it is. What was done is said on standard error, for standard
/// output may be a report.
pub(super) fn fix(path: &Path, judge: &dyn Fn(&Source) -> Compiled) -> Result<(), Error> {
    let shown = path.display().to_string();
    let bytes = read(path)?;
    let Ok(source) = Source::from_bytes(&shown, &bytes) else { return Ok(()) };
    let Some(fixed) = fix::fix(&source, judge) else { return Ok(()) };
    let unwritable = |source| Error::Unwritable { path: shown.clone(), source };
    if read(path)? != bytes {
        return Err(unwritable(io::Error::other("it was changed by somebody else just now")));
    }
    whole_file::write(path, fixed.text.as_bytes()).map_err(unwritable)?;
    let places =
        if fixed.places == 1 { "1 place".to_owned() } else { format!("{} places", fixed.places) };
    // Nobody is left to tell when standard error is closed, and the file is repaired all the same.
    drop(writeln!(io::stderr(), "fixed: {places} in {}", shown.escape_debug()));
    Ok(())
}
