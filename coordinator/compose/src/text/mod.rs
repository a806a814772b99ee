//! Parses text: YAML with locations, variables, env files and command lines.
pub mod dotenv;
pub(crate) mod interpolate;
pub(crate) mod node;
pub(crate) mod scalar;
pub(crate) mod shell;
pub(crate) mod variables;
pub(crate) mod yaml;
