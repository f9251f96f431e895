//! The arguments of the process that binds, which only the process that serves gives.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::Run;

/// What the process that serves starts beside itself.
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Binder {
    #[command(flatten)]
    pub(in crate::cli) run: Run,
    /// What the names of the runtime directory begin with
    #[arg(long)]
    pub(in crate::cli) place: Option<PathBuf>,
    /// The user and the group that serve, by number
    #[arg(long, value_name = "USER:GROUP", value_parser = owner)]
    pub(in crate::cli) owner: Option<(u32, u32)>,
}

fn owner(text: &str) -> Result<(u32, u32), &'static str> {
    let numbers = text
        .split_once(':')
        .and_then(|(user, group)| Some((user.parse().ok()?, group.parse().ok()?)));
    numbers.ok_or("write two numbers: USER:GROUP")
}
