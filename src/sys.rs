//! The only place with `unsafe` and raw system calls. It knows nothing of this program.

mod bytes;
pub mod netlink;
pub mod poll;
pub mod process;
pub mod sandbox;
pub mod scm;
pub mod send_queue;
pub mod socket;
pub mod splice;
pub mod sysctl;
pub mod systemd;
