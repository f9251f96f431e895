//! Addresses: how they are written, what class they are of, and exact sets of them.

pub mod class;
pub mod date;
pub mod read;
pub mod registry;
pub mod set;

pub use class::{Class, classify};
pub use date::Date;
