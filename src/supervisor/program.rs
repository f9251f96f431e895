//! How this program is started: again, to take over, or beside itself, to bind.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::sys::process::Account;

/// The option by which a started program knows that its standard input is the channel.
const TAKE_OVER: &str = "--takeover";

/// The options by which the process that binds knows what only the one that starts it can know.
const PLACE: &str = "--place";
const ACCOUNT: &str = "--account";

/// The file that this process runs, whatever is at its path by now.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// How this program was started, so that it can be started again.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its file, by the path that was used: a link that is pointed elsewhere, or a file that is
    /// replaced, is what an upgrade is about.
    path: PathBuf,
    /// What follows the command, without what only the first start was about.
    arguments: Vec<OsString>,
}

impl Program {
    /// How the program of these arguments is started again; the first of them is its name, and the
    /// second its command.
    ///
    /// # Errors
    /// When nobody knows where its file is.
    pub fn of(arguments: impl IntoIterator<Item = OsString>) -> io::Result<Self> {
        let mut arguments = arguments.into_iter();
        let name = arguments.next().unwrap_or_default();
        let path = if name.as_encoded_bytes().contains(&b'/') {
            std::path::absolute(name)?
        } else {
            // It was found in one of the folders of PATH.
            std::env::current_exe()?
        };
        Ok(Self { path, arguments: lasting(arguments.skip(1)) })
    }

    /// Its file.
    pub(in crate::supervisor) fn path(&self) -> &Path {
        &self.path
    }

    /// Starts it to take over, with the channel as its standard input.
    pub(in crate::supervisor) fn start(&self, channel: OwnedFd) -> io::Result<Child> {
        Command::new(&self.path)
            .args(["run", TAKE_OVER, "-"])
            .args(&self.arguments)
            .stdin(Stdio::from(channel))
            .spawn()
    }

    /// The very program that runs, to bind for this process.
    pub(in crate::supervisor) fn binder(
        &self,
        place: Option<&Path>,
        account: Option<&Account>,
    ) -> Command {
        let mut command = Command::new(THIS_PROGRAM);
        command.arg0(&self.path).arg("binder");
        if let Some(place) = place {
            command.arg(PLACE).arg(place);
        }
        if let Some(account) = account {
            command.arg(ACCOUNT).arg(format!("{}:{}", account.user, account.group));
        }
        command.args(&self.arguments);
        command
    }
}

/// Leaves out what was about one start only.
fn lasting(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let of_one_start = [TAKE_OVER, PLACE, ACCOUNT];
        if of_one_start.iter().any(|option| argument == *option) {
            arguments.next();
        } else if !of_one_start.iter().any(|option| has_value(&argument, option)) {
            kept.push(argument);
        }
    }
    kept
}

/// Whether it is this option with its value.
fn has_value(argument: &OsStr, option: &str) -> bool {
    let rest = argument.as_encoded_bytes().strip_prefix(option.as_bytes());
    rest.is_some_and(|rest| rest.starts_with(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_started_again_as_it_was_but_for_whom_it_took_over_from() {
        let again = |line: &str| {
            let program = Program::of(line.split(' ').map(OsString::from)).unwrap();
            let arguments: Vec<_> =
                program.arguments.iter().map(|one| one.to_str().unwrap().to_owned()).collect();
            (program.path, arguments.join(" "))
        };
        let path = PathBuf::from("/usr/bin/portcullis");
        for (line, arguments) in [
            ("/usr/bin/portcullis run x.yaml", "x.yaml"),
            ("/usr/bin/portcullis run --takeover - x.yaml --log json", "x.yaml --log json"),
            ("/usr/bin/portcullis run x.yaml --takeover=/run/x.sock", "x.yaml"),
            ("/usr/bin/portcullis run x.yaml --takeover /run/x.sock", "x.yaml"),
            ("/usr/bin/portcullis binder --place /run/x --account 1:2 x.yaml", "x.yaml"),
        ] {
            assert_eq!(again(line), (path.clone(), arguments.to_owned()), "{line}");
        }
        assert_eq!(again("./portcullis run x").0, std::path::absolute("portcullis").unwrap());
        assert_eq!(again("portcullis run x").0, std::env::current_exe().unwrap());
    }
}
