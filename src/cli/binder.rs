//! `binder FILE`: the process that `run` starts to bind for it. Nobody else has a use for it.

use super::{Error, Exit, args, run};
use crate::supervisor::binder;

pub(super) fn binder(args: args::Binder) -> Result<Exit, Error> {
    binder::serve(&run::options(args.run)?, args.place, args.account)?;
    Ok(Exit::Ok)
}
