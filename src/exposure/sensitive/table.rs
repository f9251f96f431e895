//! The rows. A new one needs a source that gives its number, and a reason that holds for a
//! stranger.

mod control;
mod data;

use super::{Service, Weight};
use crate::diagnostic::Level::{Error, Warn};

/// Control of the host or a look into it: too much even for a private network that anyone may be
/// in.
const GRAVE: Weight = Weight { public: Some(Error), shared: Some(Error), private: Some(Warn) };
/// Data, which is there for the private network.
const STORE: Weight = Weight { public: Some(Error), shared: Some(Error), private: None };
/// Messages between services, which overlays are built to carry.
const QUEUE: Weight = Weight { public: Some(Error), shared: Some(Warn), private: None };
/// Protected by itself, or where somebody has seen to it, and sought after.
const MILD: Weight = Weight { public: Some(Warn), shared: Some(Warn), private: None };

/// Every service.
pub fn services() -> impl Iterator<Item = &'static Service> {
    [control::ROWS, data::ROWS].into_iter().flatten()
}
