//! Joining a host over SSH.
