//! `--baseline REPORT`: what was known yesterday is not shown again.

use std::path::Path;

use crate::{
    cli::{Error, read},
    diagnostic::{
        baseline::Baseline,
        report::{Input, Report},
    },
};

/// Takes out of the report what the baseline has.
pub(super) fn hide(path: &Path, report: &mut Report<'_>) -> Result<(), Error> {
    let bytes = read(path)?;
    let shown = path.display().to_string();
    let baseline =
        Baseline::read(&bytes).map_err(|source| Error::Baseline { path: shown.clone(), source })?;
    baseline.hide(report);
    report.others.push(Input::new("baseline", shown, &bytes));
    Ok(())
}
