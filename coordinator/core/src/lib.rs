//! What the coordinator decides, and nothing else: no clock, no files, no environment, no network, no randomness.
//!
//! `landfast.toml` ([`fleet`]) + stack folder ([`bundle`]) + environment > [`landfast_compose`] > [`compile`], with
//! [`place`] and [`address`] > a [`deployment`] > [`desired`] host states > [`plan`] > [`rollout`], which listens to
//! [`report`]s.
#![warn(missing_docs)]

pub mod address;
pub mod bundle;
pub mod check;
pub mod compile;
pub mod container;
pub mod deployment;
pub mod desired;
pub mod environments;
mod findings;
pub mod fleet;
pub mod host_state;
pub mod image_build;
pub mod place;
pub mod plan;
pub mod platform;
pub mod policy;
mod ports;
pub mod pull;
pub mod report;
pub mod rollout;
mod ties;
