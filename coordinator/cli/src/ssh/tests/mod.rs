//! Tests against a real OpenSSH server on the loopback interface. Each test starts its own server with its own keys and
//! configuration.

#[path = "../../../../engine/src/connect/agent_server.rs"]
mod agent_server;
mod joining;
mod jump_hosts;
mod keys;
mod sessions;
mod sshd;
mod trust;
