//! Two sides made the same project on the same engine: in what do the containers, networks and volumes differ?
//!
//! Pure. [`Made`] is what one side made, as the engine describes it, without what is incidental ([`Made::settled`]);
//! [`differences`] are found field by field; those that are meant stand in [`INTENDED`], each with its reason.

mod difference;
mod incidental;
mod intended;

pub use difference::{Difference, differences};
pub use incidental::Made;
pub use intended::{INTENDED, Intended, Verdict};
