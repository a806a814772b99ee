//! The coordinator's effects: files, agents, the engine's API, the terminal. Every decision is `landfast-core`'s.
//!
//! [`cli`] reads arguments and prints; [`engine`] carries out what the core decides, embedded in the command today and
//! behind `landfast serve` later.

pub mod build;
pub mod cli;
pub mod connect;
pub mod deliver;
pub mod engine;
pub mod folder;
pub mod images;
pub mod output;
pub mod project;
pub mod scan;
pub mod ssh;
pub mod store;
pub mod wire;
