//! What a host must be, what it is, and the steps between: pure functions of values.
//!
//! No async, clock, file, environment, network or randomness here: the binary observes, calls [`plan::plan`] and carries
//! out what it says.
#![warn(missing_docs)]

pub mod assignment;
pub mod attempts;
pub mod desired;
pub mod devices;
pub mod observed;
pub mod overlay;
pub mod plan;
pub mod tree;
