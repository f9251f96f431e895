//! Serving: workers, their sockets, and the sessions on them. Effects only; what is decided is
//! decided elsewhere.

pub mod accept_error;
pub mod bind;
mod by_client;
mod commit;
mod connect;
mod crew;
mod duty;
mod gate;
mod listener;
mod meter;
mod registry;
mod serving;
mod session;
pub mod status;
mod stop;
mod tally;
mod upstream;
mod worker;
mod workers;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use commit::{Assignment, Commit, Role, Share, SocketId, Successor};
pub use gate::Gate;
pub use meter::Meter;
pub use registry::{ListenerState, Registry};
pub use tally::{Tallies, Tally};
pub use upstream::UpstreamState;
pub use workers::{Incident, WorkerLost, Workers};
