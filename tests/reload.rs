//! The file changes under the running program: what is noticed, what is refused, and what is not
//! touched.

mod change;
mod far;
mod load;
mod mounted;
mod refusal;
mod second_look;
mod sessions;
mod sockets;
