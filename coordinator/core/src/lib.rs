//! Decisions of the coordinator, as pure functions: no clock, no files, no environment, no network, no randomness.
//!
//! The loader ([`landfast_compose`]) turns compose files and an environment into a project. [`compile`](mod@compile) turns it into a
//! [`deployment`], with `landfast.toml` ([`fleet`]), the stack's folder ([`bundle`]), [`place`] and [`address`]. [`desired`] combines
//! deployments into host states, [`plan`] compares these with the current ones, and [`rollout`] carries out the plan, guided by
//! [`report`]s of the hosts.
#![warn(missing_docs)]

pub mod address;
pub mod bundle;
pub mod check;
pub mod compile;
pub mod container;
pub mod deployment;
pub mod desired;
pub mod environments;
pub mod fabric;
mod findings;
pub mod fleet;
pub mod host_state;
pub mod image_build;
pub mod ledger;
pub mod network;
pub mod place;
pub mod plan;
pub mod platform;
pub mod policy;
mod ports;
pub mod pull;
pub mod report;
pub mod rollout;
mod ties;
