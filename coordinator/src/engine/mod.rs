//! One run of the coordinator over a fleet: what is there, what is wanted, and the rollout from one to the other.

mod error;

use std::collections::BTreeMap;

use crate::folder::FleetFolder;
use crate::output::progress::Listener;

pub use error::EngineError;

/// What a command changes about every stack.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--env`, in place of what `landfast.toml` says.
    pub env: Option<String>,
    /// `--profile`, in place of what `landfast.toml` says.
    pub profiles: Vec<String>,
    /// The process's variables.
    pub environment: BTreeMap<String, String>,
}

pub struct Engine<'a> {
    pub folder: FleetFolder,
    pub options: Options,
    pub listener: &'a dyn Listener,
}

impl<'a> Engine<'a> {
    pub fn new(folder: FleetFolder, options: Options, listener: &'a dyn Listener) -> Result<Self, EngineError> {
        Ok(Self { folder, options, listener })
    }
}
