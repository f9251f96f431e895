//! The command line: exit codes, and what is written where.

mod check;
mod others;
