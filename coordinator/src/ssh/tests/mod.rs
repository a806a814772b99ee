//! Against a real OpenSSH server on the loopback, started by each test with keys and configuration of its own.

mod joining;
mod keys;
mod sessions;
mod sshd;
mod trust;
mod way;
