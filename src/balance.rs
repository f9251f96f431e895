//! Which backend a session goes to. Pure: what is usable now is an argument.

pub mod round_robin;

pub use round_robin::RoundRobin;
