//! What the coordinator decides, and nothing else: no clock, no files, no environment, no network, no randomness.
//!
//! `landfast.toml` + stack folder + environment > [`compose`] > [`compile`] > [`place`] and [`address`] > desired host
//! states > [`plan`] > [`rollout`].
#![warn(missing_docs)]

pub mod compose;
