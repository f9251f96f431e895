//! What a session costs in system calls and descriptors, and what becomes of it when a peer or this
//! host fails: bytes are never lost, nothing hangs, and nothing stays behind.

mod bytes;
mod calls;
mod idle;
mod peers;
mod shortage;

use std::net::SocketAddr;

use crate::support::{LOOPBACK, Program, one_listener};

/// What a session has open in the program: the client's socket and the backend's.
const SESSION_DESCRIPTORS: usize = 2;

/// A program with one worker, which forwards to a backend, with more lines for its listener.
#[track_caller]
fn forwarding(backend: SocketAddr, lines: &[&str]) -> Program {
    Program::serving(&(listener(backend, lines) + "runtime: { workers: 1 }\n"))
}

fn listener(backend: SocketAddr, lines: &[&str]) -> String {
    let forward = format!("forward: {backend}");
    one_listener(&[&[LOOPBACK, &forward], lines].concat())
}

/// The same, which tells of every session that has ended.
#[track_caller]
fn recording(backend: SocketAddr, lines: &[&str]) -> Program {
    const LOG: &str = "runtime: { workers: 1, access_log: { format: json, to: stdout } }\n";
    Program::serving(&(listener(backend, lines) + LOG))
}
