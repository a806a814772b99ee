//! Against a real OpenSSH server on the loopback, started by each test with keys and configuration of its own.

#[path = "../../../../engine/src/connect/agent_server.rs"]
mod agent_server;
mod joining;
mod keys;
mod sessions;
mod sshd;
mod trust;
mod way;
