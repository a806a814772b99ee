//! What a host asks the agents of other hosts: at its start whether it has missed a change of the fabric, and then whether
//! what its instances depend on has started there. Both are pure: the caller asks, and times are milliseconds since it started.

mod catch_up;
mod dependencies;

pub use catch_up::{CatchUp, PATIENCE, Question};
pub use dependencies::{Answer, Dependencies, NAMES_AT_ONCE, SILENCE};
