//! From text to values: YAML with places, variables, env files, command lines.
pub mod dotenv;
pub(crate) mod interpolate;
pub(crate) mod node;
pub(crate) mod scalar;
pub(crate) mod shell;
pub(crate) mod variables;
pub(crate) mod yaml;
