//! Starting the program anew, for the process that serves may start none; and ending it where it
//! comes to nothing.

use std::{
    io,
    os::fd::OwnedFd,
    process::{Child, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use super::message::Answer;
use crate::supervisor::upgrade::Program;

/// How often it is asked whether it has ended.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// The process that was started last, unless it has ended.
#[derive(Debug, Default)]
pub(super) struct Launched(Option<Child>);

impl Launched {
    /// Starts the program with this as its standard input, one at a time: whoever has taken over
    /// the process that serves is not to fill the host with others.
    pub(super) fn launch(&mut self, program: &Program, input: OwnedFd) -> Answer {
        let refused = |reason| Answer::Refused { reasons: vec![reason] };
        if self.0.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None))) {
            return refused("the process that was started before still runs".to_owned());
        }
        match program.start(input) {
            Ok(child) => {
                let pid = child.id();
                self.0 = Some(child);
                Answer::Launched { pid }
            }
            Err(error) => refused(format!("cannot start `{}`: {error}", program.path().display())),
        }
    }

    /// Says how it has ended, if it does so in time, and ends it otherwise.
    pub(super) fn end(&mut self, deadline: Instant) -> Answer {
        let ended = self.0.take().and_then(|child| reap(child, deadline).ok().flatten());
        Answer::Ended { status: ended.map(|status| (status.to_string(), status.code())) }
    }
}

#[expect(clippy::disallowed_methods, reason = "this process does nothing else meanwhile")]
fn reap(mut child: Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
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
