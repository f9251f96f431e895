//! What a session costs in system calls and descriptors, and what becomes of it when a peer or this
//! host fails: bytes are never lost, nothing hangs, and nothing stays behind.

mod calls;

use std::net::SocketAddr;

use crate::support::{LOOPBACK, Program, one_listener};

/// A program with one worker, which forwards to a backend, with more lines for its listener.
#[track_caller]
fn forwarding(backend: SocketAddr, lines: &[&str]) -> Program {
    Program::serving(&(listener(backend, lines) + "runtime: { workers: 1 }\n"))
}

fn listener(backend: SocketAddr, lines: &[&str]) -> String {
    let forward = format!("forward: {backend}");
    one_listener(&[&[LOOPBACK, &forward], lines].concat())
}
