//! The program: reads its arguments, runs, exits.

use std::process::ExitCode;

fn main() -> ExitCode {
    portcullis::cli::main()
}
