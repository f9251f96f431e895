//! Starts that come to nothing.

use std::process::Command;

use super::{Ended, ServiceFile, portcullis};

/// Runs a file that cannot be had, to its end.
#[track_caller]
pub(crate) fn refused_start(text: &str) -> Ended {
    refused_start_by(portcullis(), text)
}

/// The same by this command.
#[track_caller]
pub(crate) fn refused_start_by(mut command: Command, text: &str) -> Ended {
    let file = ServiceFile::new(text).serving();
    command.args(["run", "--allow-port-zero"]).arg(file.path());
    let ended = Ended::of(command);
    assert!(!ended.out.contains("READY") && !ended.out.contains("SERVING"), "{ended:?}");
    ended
}
