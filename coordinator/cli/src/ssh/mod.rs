//! Joining a host over SSH: the agent's binary goes there, the host makes its key there, and only the request for a
//! certificate comes back.
//!
//! - [`destination`], [`config`], [`mod@route`]: where to log in, over which hosts, with which keys, as `ssh` would;
//! - [`known_hosts`], [`host_key`]: whether a host is the one that was meant, before anything is sent to it;
//! - [`resolve`], `connect`: names into addresses, and connections to them;
//! - [`keys`], [`rsa`], `login`: the user's keys, and logging in with them;
//! - [`session`]: one host: commands and files;
//! - [`command`]: words that a remote shell cannot take for anything else;
//! - [`service`]: how the agent is kept running there;
//! - [`mod@join`]: the whole of it, in order.

pub mod command;
pub mod config;
mod connect;
pub mod destination;
pub mod error;
pub mod host_key;
pub mod join;
pub mod keys;
pub mod known_hosts;
mod login;
pub mod patterns;
pub mod resolve;
pub mod route;
pub mod rsa;
pub mod service;
pub mod session;
#[cfg(test)]
mod tests;

pub use destination::{Destination, Wanted};
pub use error::SshError;
pub use join::{Join, JoinError, join};
pub use route::{Given, Hop, Me, Route, route};
pub use session::Session;
