//! A baseline: a report of earlier, whose findings are known and need not be shown again.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Level, json::SCHEMA, report::Report};

/// The findings that a report of earlier had.
#[derive(Debug, Default)]
pub struct Baseline {
    known: BTreeSet<String>,
}

/// What a baseline has done to a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Findings that it knew and that are not shown.
    pub hidden: usize,
    /// Findings that it knew and that are shown all the same, because no file can lower them.
    pub forbidden: usize,
    /// Findings that it knew and that are gone.
    pub gone: usize,
}

/// Why a file is no baseline.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no report at all.
    #[error("it is no report of `check --format json`")]
    NoReport(#[from] serde_json::Error),
    /// It is a report of another form.
    #[error("it is a report of the form `{}`, and this version reads `{SCHEMA}`", .0.escape_debug())]
    OtherForm(String),
}

#[derive(Deserialize)]
struct Written {
    schema: String,
    findings: Vec<Known>,
}

#[derive(Deserialize)]
struct Known {
    fingerprint: String,
}

impl Baseline {
    /// Reads a report in JSON.
    ///
    /// # Errors
    /// When it is none, or one of another form.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let Written { schema, findings } = serde_json::from_slice(bytes)?;
        if schema != SCHEMA {
            return Err(Error::OtherForm(schema));
        }
        Ok(Self { known: findings.into_iter().map(|known| known.fingerprint).collect() })
    }

    /// Takes the known findings out of a report. What is forbidden stays: a baseline lies beside
    /// the file that it excuses, and whoever writes the one writes the other.
    pub fn hide(mut self, report: &mut Report<'_>) {
        let mut counts = Hidden::default();
        for file in &mut report.files {
            file.findings.retain(|finding| {
                if !self.known.remove(&finding.fingerprint) {
                    return true;
                }
                let stays = finding.diagnostic.level == Level::Forbid;
                *(if stays { &mut counts.forbidden } else { &mut counts.hidden }) += 1;
                stays
            });
        }
        counts.gone = self.known.len();
        report.hidden = Some(counts);
    }
}
