//! Compares the containers, networks and volumes that two programs made of the same project on the same engine.
//!
//! The module is pure. [`Made`] holds the objects of one program, as the engine describes them. [`Made::settled`]
//! removes incidental values, and [`differences`] compares field by field. [`INTENDED`] lists the intended differences,
//! each with its reason.

mod difference;
mod incidental;
mod intended;

pub use difference::{Difference, differences};
pub use incidental::Made;
pub use intended::{INTENDED, Intended, Verdict};
