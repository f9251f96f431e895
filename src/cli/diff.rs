//! `diff OLD NEW`: what became reachable, from where, to which backend.

use std::{
    ffi::OsString,
    io::{self, Read as _, Write},
    path::Path,
    process::{Command, Stdio},
};

use super::{Error, Exit, args, governed::Governed, read};
use crate::{
    compile::{self, Reading},
    diagnostic::{Diagnostic, human},
    exposure::diff::Effect,
    policy::governance::GuardrailFile,
    review::{self, Review, Version, json, markdown},
    source::{MAX_BYTES, Source},
    supervisor::guardrails,
};

pub(super) fn diff(args: &args::Diff, out: &mut dyn Write) -> Result<Exit, Error> {
    let pair = match (args.git.as_deref(), args.files.as_slice()) {
        (Some(revision), [file]) => Pair::of_git(revision, file)?,
        (None, [old, new]) => Pair::of_files(old, new)?,
        (Some(_), _) => return Err(Error::Usage("`diff --git REV` takes one file".to_owned())),
        (None, _) => {
            return Err(Error::Usage("`diff` takes two files, or `--git REV` and one".to_owned()));
        }
    };
    let governed = Governed::load(&args.governed)?;
    let before = match args.old_guardrails.as_slice() {
        [] => None,
        named => Some(guardrails::load(named)?),
    };
    let sides = Sides { old: before.as_deref(), new: governed.in_force() };
    let Some((old, new)) = pair.versions(sides)? else { return Ok(Exit::CannotJudge) };
    let review = Review::of(old, new, args.assume.into(), governed.today);
    let exit = if args.detailed_exitcode {
        detailed(&review)
    } else if review.passes() || args.exit_zero {
        Exit::Ok
    } else {
        Exit::Findings
    };
    match args.format {
        args::DiffFormat::Text => write!(out, "{}", review::text::render(&review))?,
        args::DiffFormat::Markdown => write!(out, "{}", markdown::render(&review))?,
        args::DiffFormat::Json => {
            serde_json::to_writer_pretty(&mut *out, &json::report(&review, exit as u8))
                .map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    Ok(exit)
}

/// What kind of change it is, for scripts.
fn detailed(review: &Review<'_>) -> Exit {
    match review.unapproved() {
        Some(Effect::Widening) => Exit::Widening,
        Some(Effect::Mixed) => Exit::Mixed,
        Some(Effect::Unknown) => Exit::Unknown,
        Some(Effect::Retarget | Effect::Weakening) => Exit::Loosening,
        Some(Effect::Narrowing | Effect::Neutral) | None if review.loosens_governance() => {
            Exit::Governance
        }
        Some(Effect::Narrowing | Effect::Neutral) | None if review.changes_something() => {
            Exit::Approved
        }
        Some(Effect::Narrowing | Effect::Neutral) | None => Exit::Ok,
    }
}

/// Two files that are held against one another, read as far as they can be.
pub(super) struct Pair {
    /// None if there was no such file.
    old: Option<Text>,
    new: Text,
}

/// The text of a file, and what it means or why it means nothing.
struct Text {
    source: Source,
    meaning: Result<Reading, Vec<Diagnostic>>,
}

impl Pair {
    /// Two files on this machine.
    pub(super) fn of_files(old: &Path, new: &Path) -> Result<Self, Error> {
        Ok(Self { old: Some(of_file(old)?), new: of_file(new)? })
    }

    /// A file as it was in a revision, and as it is.
    fn of_git(revision: &str, file: &Path) -> Result<Self, Error> {
        Ok(Self { old: of_git(revision, file)?, new: of_file(file)? })
    }

    /// Both, if both and their guardrails have a meaning; else says of each that has none why.
    pub(super) fn versions<'a>(&'a self, sides: Sides<'a>) -> Result<Option<Versions<'a>>, Error> {
        let mut judged = true;
        let wrong = [sides.old, sides.new].into_iter().flatten().flatten();
        for file in wrong.filter(|file| file.is_wrong()) {
            let mut errors = anstream::stderr();
            human::write(&mut errors, &file.source, &file.findings, true)?;
            let path = file.source.path().escape_debug();
            writeln!(errors, "error: cannot judge by `{path}`: nobody knows what it would grant")?;
            judged = false;
        }
        for text in self.old.iter().chain([&self.new]) {
            if let Err(findings) = &text.meaning {
                let mut errors = anstream::stderr();
                human::write(&mut errors, &text.source, findings, true)?;
                let path = text.source.path().escape_debug();
                writeln!(errors, "error: cannot judge `{path}`: it has no meaning to compare")?;
                judged = false;
            }
        }
        let old = self.old.as_ref().and_then(|text| text.version(sides.old));
        Ok(judged.then(|| (old, self.new.version(sides.new))))
    }
}

/// The guardrails of both files, where they are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sides<'a> {
    pub(super) old: Option<&'a [GuardrailFile]>,
    pub(super) new: Option<&'a [GuardrailFile]>,
}

/// The old file, if there was one, and the new one.
type Versions<'a> = (Option<Version<'a>>, Option<Version<'a>>);

impl Text {
    fn version<'a>(&'a self, guardrails: Option<&'a [GuardrailFile]>) -> Option<Version<'a>> {
        let Reading { config, policy } = self.meaning.as_ref().ok()?;
        Some(Version { source: &self.source, config, policy, guardrails })
    }
}

/// A file on this machine.
fn of_file(path: &Path) -> Result<Text, Error> {
    text(&path.display().to_string(), &read(path)?)
}

/// A file as it was in a revision; none if it was not there.
fn of_git(revision: &str, path: &Path) -> Result<Option<Text>, Error> {
    let failed =
        |source| Error::Unreadable { path: format!("{revision}:{}", path.display()), source };
    if revision.starts_with('-') || revision.contains(':') {
        return Err(Error::Usage("a revision neither begins with `-` nor contains `:`".to_owned()));
    }
    let name = path
        .file_name()
        .ok_or_else(|| Error::Usage("`diff --git` takes the path of a file".to_owned()))?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let mut object = OsString::from(format!("{revision}:./"));
    object.push(name);
    let exists = |what: &std::ffi::OsStr| {
        let mut git = git(folder);
        git.args(["cat-file", "-e"]).arg(what);
        git.status().map(|status| status.success())
    };
    if !exists(format!("{revision}^{{commit}}").as_ref()).map_err(failed)? {
        return Err(failed(io::Error::other("git knows no such revision here")));
    }
    if !exists(&object).map_err(failed)? {
        return Ok(None);
    }
    let bytes = blob(folder, &object).map_err(failed)?;
    text(&format!("{revision}:{}", path.display()), &bytes).map(Some)
}

/// The bytes of an object, and no more of them than could be judged.
fn blob(folder: &Path, object: &std::ffi::OsStr) -> io::Result<Vec<u8>> {
    let mut git = git(folder);
    let mut child = git.args(["cat-file", "blob"]).arg(object).stdout(Stdio::piped()).spawn()?;
    let mut bytes = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        pipe.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    }
    // The pipe is closed, so git ends even if it had more to say; then there is too much in any
    // case.
    let status = child.wait()?;
    if status.success() || bytes.len() > MAX_BYTES {
        Ok(bytes)
    } else {
        Err(io::Error::other("git could not read it"))
    }
}

fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    git
}

fn text(path: &str, bytes: &[u8]) -> Result<Text, Error> {
    match Source::from_bytes(path, bytes) {
        Ok(source) => {
            let meaning = compile::read(&source);
            Ok(Text { source, meaning })
        }
        Err(problem) => {
            let finding = compile::unreadable(&problem);
            Err(Error::Unreadable {
                path: path.to_owned(),
                source: io::Error::other(finding.message),
            })
        }
    }
}
