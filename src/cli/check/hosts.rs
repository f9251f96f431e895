//! `--facts HOST`: the hosts that files are judged for.

use std::path::PathBuf;

use crate::{
    cli::{Error, read},
    compile::fleet::Host,
    diagnostic::report::Input,
    facts::file,
};

/// Reads every host, and says what was read. A host is called by its path.
pub(super) fn hosts(paths: &[PathBuf]) -> Result<(Vec<Host>, Vec<Input>), Error> {
    let mut hosts = Vec::with_capacity(paths.len());
    let mut inputs = Vec::with_capacity(paths.len());
    for path in paths {
        let name = path.display().to_string();
        let bytes = read(path)?;
        inputs.push(Input::new("facts", &name, &bytes));
        let facts =
            file::read(&bytes).map_err(|source| Error::Facts { path: name.clone(), source })?;
        hosts.push(Host { name, facts });
    }
    Ok((hosts, inputs))
}
