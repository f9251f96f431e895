//! The arguments of the process that binds, which only the process that serves gives.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::Run;
use crate::sys::process::Account;

/// What the process that serves starts beside itself.
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Binder {
    #[command(flatten)]
    pub(in crate::cli) run: Run,
    /// What the names of the runtime directory begin with
    #[arg(long)]
    pub(in crate::cli) place: Option<PathBuf>,
    /// The user and the group that serve, by number
    #[arg(long, value_name = "USER:GROUP", value_parser = account)]
    pub(in crate::cli) account: Option<Account>,
}

fn account(text: &str) -> Result<Account, &'static str> {
    let numbers = text
        .split_once(':')
        .and_then(|(user, group)| Some((user.parse().ok()?, group.parse().ok()?)));
    let (user, group) = numbers.ok_or("write two numbers: USER:GROUP")?;
    Ok(Account { name: None, user, group })
}
