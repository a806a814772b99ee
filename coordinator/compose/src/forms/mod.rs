//! The short forms of values, and how they are converted to long forms.
pub(crate) mod mounts;
pub(crate) mod ports;
pub(crate) mod short;
