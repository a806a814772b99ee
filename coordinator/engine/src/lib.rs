//! The library behind the command line and the daemon. It reads stacks, observes hosts, makes proposals and carries
//! them out. It owns the effects of the coordinator, while `landfast-core` makes every decision. It does not depend on
//! a terminal.

pub mod connect;
pub mod deliver;
mod error;
pub mod event;
pub mod folder;
mod hint;
pub mod image_build;
pub mod images;
pub mod observe;
pub mod operation;
pub mod project;
pub mod scan;
pub mod stack;
pub mod store;
pub mod text;
pub mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use landfast_core::compile;

use crate::event::Listener;
use crate::folder::FleetFolder;
use crate::images::Images;
use crate::stack::Source;

pub use error::{EngineError, Version};
pub use hint::{Hint, causes};

/// Options of a command that apply to every stack.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Environment given with `--env`, which replaces the one in `landfast.toml`.
    pub env: Option<String>,
    /// Absolute paths given with `--env-file`, in order. They replace `.env`, the environment's file and the files in
    /// `landfast.toml`.
    pub env_files: Vec<PathBuf>,
    /// Profiles given with `--profile`, which replace those in `landfast.toml`.
    pub profiles: Vec<String>,
    /// Environment variables of the process.
    pub environment: BTreeMap<String, String>,
    /// Hosts that are away and are left as they are, given with `--without`.
    pub without: BTreeSet<String>,
}

/// Entry point of the library: runs operations on the fleet of one folder.
#[derive(Clone)]
pub struct Engine {
    /// The fleet and its folder.
    pub folder: FleetFolder,
    /// Options that apply to every stack.
    pub options: Options,
    /// Receiver of the events of operations.
    pub listener: Arc<dyn Listener>,
}

impl Engine {
    /// Creates an engine for the fleet of this folder.
    pub fn new(folder: FleetFolder, options: Options, listener: Arc<dyn Listener>) -> Self {
        Self { folder, options, listener }
    }

    /// Reads the stacks, and asks the engine of this machine for their images.
    pub(crate) async fn read(&self, stacks: &[String]) -> Result<(Vec<Source>, Images), EngineError> {
        let mut readers = Vec::new();
        let env_files = stack::of_all_stacks(&self.folder.path, self.folder.fleet.stacks.values());
        for (name, config) in self.folder.stacks(stacks)? {
            let env_files = env_files.clone();
            let (fleet, name) = (self.folder.path.clone(), name.to_owned());
            let (config, options) = (config.clone(), self.options.clone());
            readers
                .push(tokio::task::spawn_blocking(move || Source::read(&fleet, &name, &config, &options, &env_files)));
        }
        let mut sources = Vec::new();
        for reader in readers {
            // A task fails only if it panics. The panic continues here.
            sources.push(reader.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?);
        }
        let references = sources.iter().flat_map(|source| compile::images(&source.project)).collect();
        let images = Images::here(&self.options.environment, &references).await;
        Ok((sources, images))
    }
}
