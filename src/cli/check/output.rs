//! Where a report goes: the files of `--out`, the summary of a workflow step, standard output.

use std::{
    ffi::OsString,
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
};

use crate::{
    cli::{
        Error,
        args::{Check, Format},
        whole_file,
    },
    diagnostic::{github, gitlab, json, junit, report::Report, sarif},
};

/// Where GitHub says that a step's summary goes.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// What writes the report for people.
type Text<'a> = &'a dyn Fn(&mut dyn Write) -> io::Result<()>;

/// Refuses outputs that would overwrite each other or what is judged.
pub(super) fn refuse_clashes(args: &Check) -> Result<(), Error> {
    let same = |a: &Path, b: &Path| {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        real(a) == real(b)
    };
    for (at, output) in args.out.iter().enumerate() {
        let path = output.path.as_path();
        let inputs = args.files.iter().chain(&args.facts).chain(&args.baseline);
        let others = args.out[..at].iter().map(|other| &other.path);
        if let Some(other) = inputs.chain(others).find(|other| same(path, other)) {
            let (path, other) = (path.display(), other.display());
            return Err(Error::Usage(format!("`--out {path}` would overwrite `{other}`")));
        }
    }
    Ok(())
}

/// Writes the report to every place, standard output last: that it fails changes nothing for the
/// files.
pub(super) fn write(
    args: &Check,
    out: &mut dyn Write,
    report: &Report<'_>,
    text: Text<'_>,
) -> Result<(), Error> {
    let formats = || args.out.iter().map(|output| output.format).chain([args.format]);
    let summary = formats()
        .any(|format| format == Format::Github)
        .then(|| std::env::var_os(STEP_SUMMARY))
        .flatten()
        .filter(|path| !path.is_empty());
    for output in &args.out {
        let mut plain = anstream::StripStream::new(Vec::new());
        let written = format(output.format, &mut plain, report, summary.is_some(), text);
        written
            .and_then(|()| whole_file::write(&output.path, &plain.into_inner()))
            .map_err(|source| unwritable(&output.path, source))?;
    }
    if let Some(path) = &summary {
        append_summary(path, report).map_err(|source| unwritable(Path::new(path), source))?;
    }
    Ok(format(args.format, out, report, summary.is_some(), text)?)
}

fn format(
    format: Format,
    out: &mut dyn Write,
    report: &Report<'_>,
    summary: bool,
    text: Text<'_>,
) -> io::Result<()> {
    match format {
        Format::Text => text(out),
        Format::Json => json::write(out, report),
        Format::Sarif => sarif::write(out, report),
        Format::Github => github::write(out, report, summary),
        Format::Gitlab => gitlab::write(out, report),
        Format::Junit => junit::write(out, report),
    }
}

/// Other steps' commands may have written to it before.
fn append_summary(path: &OsString, report: &Report<'_>) -> io::Result<()> {
    let mut summary = Vec::new();
    github::summary(&mut summary, report)?;
    OpenOptions::new().create(true).append(true).open(path)?.write_all(&summary)
}

fn unwritable(path: &Path, source: io::Error) -> Error {
    Error::Unwritable { path: path.display().to_string(), source }
}
