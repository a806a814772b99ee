//! The coordinator's effects behind the command line and the daemon: it reads stacks, observes hosts, makes proposals and
//! carries them out. Every decision is made by `landfast-core`; nothing here knows a terminal.

pub mod connect;
pub mod deliver;
mod error;
pub mod event;
pub mod folder;
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

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use landfast_core::compile;

use crate::event::Listener;
use crate::folder::FleetFolder;
use crate::images::Images;
use crate::stack::Source;

pub use error::{EngineError, Version};

/// What a command changes about every stack.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--env`, in place of what `landfast.toml` says.
    pub env: Option<String>,
    /// `--env-file`, absolute and in order, in place of `.env`, the environment's file and what `landfast.toml` says.
    pub env_files: Vec<PathBuf>,
    /// `--profile`, in place of what `landfast.toml` says.
    pub profiles: Vec<String>,
    /// The process's variables.
    pub environment: BTreeMap<String, String>,
}

/// A fleet's folder, and somebody who listens.
pub struct Engine {
    pub folder: FleetFolder,
    pub options: Options,
    pub listener: Arc<dyn Listener>,
}

impl Engine {
    pub fn new(folder: FleetFolder, options: Options, listener: Arc<dyn Listener>) -> Self {
        Self { folder, options, listener }
    }

    /// Reads the stacks, and asks this machine's engine for their images.
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
            // It can only fail by a panic, which goes on here.
            sources.push(reader.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?);
        }
        let references = sources.iter().flat_map(|source| compile::images(&source.project)).collect();
        let images = Images::here(&self.options.environment, &references).await;
        Ok((sources, images))
    }
}
