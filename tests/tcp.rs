//! Clients come in by TCP or a path socket and reach a backend: bytes, ends, and who is served.

mod bytes;
mod choice;
mod door;
mod record;
