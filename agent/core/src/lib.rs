//! What a host must be, what it is, and the steps between: pure functions of values.
//!
//! This crate has no async code and uses no clock, file, environment, network or randomness. The binary observes the host,
//! calls [`reconcile::turn`], which plans with [`plan::plan`], and carries out the effects.
#![warn(missing_docs)]

pub mod assignment;
pub mod attempts;
pub mod claim;
pub mod desired;
pub mod devices;
pub mod elsewhere;
pub mod observed;
pub mod overlay;
pub mod peers;
pub mod plan;
pub mod reconcile;
pub mod tree;
