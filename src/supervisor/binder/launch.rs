//! Starting the program anew, for the process that serves may start none; and ending it where it
//! comes to nothing.

use std::{
    io,
    os::{fd::OwnedFd, unix::process::ExitStatusExt as _},
    process::{Child, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use super::message::Answer;
use crate::supervisor::Program;

/// How often it is asked whether it has ended.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// The longest that it may take to end by itself; whoever asks waits no longer for an answer.
const LONGEST: Duration = Duration::from_secs(5);

/// The process that was started last, unless it has been waited for.
#[derive(Debug, Default)]
pub(super) struct Launched(Option<Child>);

impl Launched {
    /// Starts the program with this as its standard input, one at a time: whoever has taken over
    /// the process that serves is not to fill the host with others.
    pub(super) fn launch(&mut self, program: &Program, input: OwnedFd) -> Answer {
        if self.0.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None))) {
            return Answer::refused("the process that was started before still runs");
        }
        match program.start(input) {
            Ok(child) => {
                let pid = child.id();
                self.0 = Some(child);
                Answer::Launched { pid }
            }
            Err(error) => {
                Answer::refused(format!("cannot start `{}`: {error}", program.path().display()))
            }
        }
    }

    /// Says how it has ended, if it does so in time, and ends it otherwise.
    pub(super) fn end(&mut self, within: Duration) -> Answer {
        let Some(child) = &mut self.0 else { return Answer::Ended { status: None } };
        match reap(child, within.min(LONGEST)) {
            Ok(status) => {
                self.0 = None;
                Answer::Ended { status: status.map(ExitStatus::into_raw) }
            }
            Err(error) => Answer::refused(error.to_string()),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this process does nothing else meanwhile")]
fn reap(child: &mut Child, within: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(BETWEEN_LOOKS);
    }
    // It cannot be gone without having been waited for.
    child.kill()?;
    child.wait()?;
    Ok(None)
}
