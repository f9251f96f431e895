//! The tests that look at the program from outside, and those that look at its source.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod addresses;
mod architecture;
mod audit;
mod bind;
mod binder;
mod cli;
mod control;
mod faults;
mod fix;
mod formats;
mod guardrails;
mod handed_out;
mod hosts;
mod in_use;
mod limits;
mod narrow;
mod oracle;
mod privileges;
mod reload;
mod review;
mod rules;
mod schema;
mod shutdown;
mod support;
mod systemd;
mod tcp;
mod upgrade;
