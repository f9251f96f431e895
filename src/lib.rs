//! portcullis: a declarative front listener. One file says where a host may be reached; this
//! program checks it, binds exactly that, forwards, and follows the file.
//!
//! # The map
//!
//! ```text
//! bytes → source → config (what was written) → policy (what it means) → plan (every socket)
//!                    └───────── exposure, lint ─────────┘                 │ diff
//!                                   compile ─────────────────────────▶ supervisor
//!                                                                         │ commit
//!                                                        relay ◀──────── runtime
//! ```
//!
//! `audit` holds the plan against the sockets that are there, through the sets of `exposure`.
//!
//! Modules stand in layer order, bottom first. A module names only modules above it in this list,
//! and none of its own group. `tests/architecture.rs` holds the order.
//!
//! # Invariants
//!
//! 1. The modules up to `compile` are functions of their arguments: they touch no socket, file,
//!    clock, random source or tokio. The exceptions are `sys`, which knows nothing of this program,
//!    and `facts::live`, which reads a host's facts through it.
//! 2. `relay` and `runtime` never see `Config`, `Source` or `Diagnostic`: only `Policy` and `Plan`.
//! 3. `unsafe` and `libc` appear only under `src/sys/`.
//! 4. Nothing but `supervisor` opens or closes a listener. Nothing but `cli` decides an exit code
//!    or writes to the terminal, save the access log where the file sends it to standard output.
//! 5. There is one way in for a configuration: `compile`. `check`, `plan`, `run` and reload all
//!    call it.

pub mod source;
pub mod sys;

pub mod address;
pub mod diagnostic;

pub mod config;
pub mod facts;

pub mod policy;

pub mod admit;
pub mod balance;
pub mod plan;

pub mod exposure;

pub mod lint;
pub mod review;

pub mod audit;
pub mod compile;
pub mod telemetry;

pub mod relay;

pub mod runtime;

pub mod supervisor;

pub mod cli;
