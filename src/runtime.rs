//! Serving: workers, their sockets, and the sessions on them. Effects only; what is decided is
//! decided elsewhere.

pub mod accept_error;
pub mod bind;
mod commit;
mod connect;
mod gate;
mod listener;
mod registry;
mod session;
pub mod status;
mod stop;
mod upstream;
mod worker;
mod workers;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use commit::{Assignment, Commit, Role, Share, SocketId, Successor};
pub use gate::Gate;
pub use registry::{ListenerState, Registry};
pub use upstream::UpstreamState;
pub use workers::{Incident, WorkerLost, Workers};
