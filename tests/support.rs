//! What the tests share: the program as a child process, its file, its peers, a network of its own.

pub(crate) mod arrivals;
pub(crate) mod backend;
pub(crate) mod client;
pub(crate) mod confined;
mod control;
pub(crate) mod far;
pub(crate) mod file;
pub(crate) mod handover;
pub(crate) mod http;
pub(crate) mod load;
pub(crate) mod namespace;
pub(crate) mod program;
pub(crate) mod random;
pub(crate) mod services;
pub(crate) mod sockets;
pub(crate) mod start;
pub(crate) mod systemd;
pub(crate) mod trace;
pub(crate) mod wait;

pub(crate) use self::{
    backend::{Answering, Backend},
    file::{LOOPBACK, ServiceFile, as_whoever, exposed_as, one_listener},
    program::{Ended, Program, portcullis},
    wait::{eventually, eventually_some},
};
