//! The many ways of writing a value, and the one that is kept.
pub(crate) mod mounts;
pub(crate) mod ports;
pub(crate) mod short;
