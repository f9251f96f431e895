//! `binder FILE`: the process that `run` starts to bind for it. Nobody else has a use for it.

use super::{Error, Exit, args, run};
use crate::supervisor::binder::{self, Terms};

pub(super) fn binder(args: args::Binder) -> Result<Exit, Error> {
    let terms = Terms { place: args.place, account: args.owner };
    binder::serve(&run::options(args.run)?, terms)?;
    Ok(Exit::Ok)
}
