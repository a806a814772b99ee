//! Joining a host over SSH: the agent's binary goes there, the host makes its key there, and only the request for a
//! certificate comes back.
//!
//! - [`destination`]: where to log in;
//! - [`host_key`]: decides whether the host is the one that was meant, before anything is sent to it;
//! - [`session`]: one SSH connection: commands and files;
//! - [`command`]: words that a remote shell cannot take for anything else;
//! - [`service`]: how the agent is kept running there;
//! - [`join`]: the whole of it, in order.

pub mod command;
pub mod destination;
pub mod host_key;
pub mod join;
pub mod service;
pub mod session;
#[cfg(test)]
mod tests;

pub use destination::Destination;
pub use join::{Join, JoinError, join};
pub use session::{Login, Session, SshError};
