//! Starting the program anew, and ending it where it comes to nothing.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::sys::scm;

/// Time for a process that has closed its end of the channel to be gone.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// How often it is asked whether it is.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// The option by which a started program knows that its standard input is the channel.
const TAKE_OVER: &str = "--takeover";

/// How this program was started, so that it can be started again.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its file, by the path that was used: a link that is pointed elsewhere, or a file that is
    /// replaced, is what an upgrade is about.
    path: PathBuf,
    /// Without what only the first start was about.
    arguments: Vec<OsString>,
}

impl Program {
    /// How the program of these arguments is started again; the first of them is its name.
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
        Ok(Self { path, arguments: without_take_over(arguments) })
    }

    /// Starts it, with a channel.
    pub(in crate::supervisor) fn start(&self) -> io::Result<(OwnedFd, Child)> {
        let (near, far) = scm::pair()?;
        let (command, rest) = self.arguments.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let child = Command::new(&self.path)
            .arg(command)
            .args([TAKE_OVER, "-"])
            .args(rest)
            .stdin(Stdio::from(far))
            .spawn()?;
        Ok((near, child))
    }
}

/// Says how a successor ended that has closed its end of the channel. One that lives on is ended.
pub(in crate::supervisor) async fn ended(mut child: Child) -> Option<ExitStatus> {
    let latest = Instant::now() + LAST_BREATH;
    while Instant::now() < latest {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        sleep(BETWEEN_LOOKS).await;
    }
    kill(child).await;
    None
}

/// Ends a successor that came to nothing.
pub(in crate::supervisor) async fn kill(mut child: Child) {
    // It cannot be gone without having been waited for. A thread waits, because the kernel may take
    // its time.
    drop(child.kill());
    drop(tokio::task::spawn_blocking(move || child.wait()).await);
}

fn without_take_over(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        if argument == TAKE_OVER {
            arguments.next();
        } else if !starts_with(&argument, "--takeover=") {
            kept.push(argument);
        }
    }
    kept
}

fn starts_with(argument: &OsStr, prefix: &str) -> bool {
    argument.as_encoded_bytes().starts_with(prefix.as_bytes())
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
            ("/usr/bin/portcullis run x.yaml", "run x.yaml"),
            ("/usr/bin/portcullis run --takeover - x.yaml --log json", "run x.yaml --log json"),
            ("/usr/bin/portcullis run x.yaml --takeover=/run/x.sock", "run x.yaml"),
            ("/usr/bin/portcullis run x.yaml --takeover /run/x.sock", "run x.yaml"),
        ] {
            assert_eq!(again(line), (path.clone(), arguments.to_owned()), "{line}");
        }
        assert_eq!(again("./portcullis run x").0, std::path::absolute("portcullis").unwrap());
        assert_eq!(again("portcullis run x").0, std::env::current_exe().unwrap());
    }
}
