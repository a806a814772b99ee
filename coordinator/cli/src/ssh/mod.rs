//! Joining a host over SSH. The agent's binary is copied to the host, the host generates its own private key, and only
//! the certificate signing request leaves the host.
//!
//! - [`destination`], [`config`], [`mod@route`]: the host to log in to, its jump hosts and keys, as `ssh` would choose
//!   them;
//! - [`known_hosts`], [`host_key`]: verification of a host's key before anything is sent to the host;
//! - [`resolve`], `connect`: name resolution and connections;
//! - [`keys`], [`rsa`], `login`: the user's keys and public key authentication;
//! - [`session`]: commands and file transfers on one host;
//! - [`command`]: command lines that need no shell quoting;
//! - [`service`]: the systemd unit or the script that runs the agent;
//! - [`mod@join`]: the whole procedure, in order.

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

pub use destination::{Destination, RequestedDestination};
pub use error::SshError;
pub use join::{Join, JoinError, join};
pub use route::{Hop, LocalUser, Overrides, Route, route};
pub use session::Session;
