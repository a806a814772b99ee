//! The environments of a stack as they stand on this machine: which there are, which one is chosen and by whom, and what
//! it lacks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use landfast_core::environments::{Comparison, EnvFile, compare};
use landfast_core::fleet::StackConfig;
use landfast_core::{Diagnostics, Location};

use crate::project::{self, ProjectError};

use super::{EngineError, Options, stack_folder};

/// The environments of one stack.
#[derive(Debug)]
pub struct Environments {
    /// The stack's; absolute.
    pub folder: PathBuf,
    /// Those that have a file.
    pub there: BTreeSet<String>,
    pub chosen: Option<Chosen>,
    /// `.env.example`, when it is there.
    pub example: Option<EnvFile>,
    /// `.env`, when it is there: what is common to all.
    common: Option<EnvFile>,
    /// Names that the shell gives a value: it wins over files.
    set: BTreeSet<String>,
}

/// The environment that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    pub name: String,
    /// Its place in `landfast.toml`; none for `--env`.
    pub location: Option<Location>,
}

/// The environment that counts: the flag's, else the one of `landfast.toml`.
pub(super) fn chosen(config: &StackConfig, options: &Options) -> Option<Chosen> {
    let flag = options.env.clone().map(|name| Chosen { name, location: None });
    flag.or_else(|| config.env.clone().map(|name| Chosen { name, location: config.env_location.clone() }))
}

impl Environments {
    pub fn read(fleet: &Path, stack: &str, config: &StackConfig, options: &Options) -> Result<Self, EngineError> {
        let folder = stack_folder(fleet, stack, config)?;
        Ok(Self {
            there: project::environments(&folder),
            chosen: chosen(config, options),
            example: file_if_there(&folder.join(".env.example"))?,
            common: file_if_there(&folder.join(".env"))?,
            set: options.environment.keys().cloned().collect(),
            folder,
        })
    }

    /// The file of an environment.
    pub fn file(&self, env: &str) -> PathBuf {
        self.folder.join(format!(".env.{env}"))
    }

    /// What an environment lacks and has beyond `.env.example`; nothing when there is no example, or no such file.
    pub fn compare(&self, env: &str) -> Result<Option<Comparison>, EngineError> {
        let (Some(example), Some(own)) = (&self.example, file_if_there(&self.file(env))?) else { return Ok(None) };
        compare(example, &own, self.common.as_ref(), &self.set).map(Some).map_err(EngineError::Mistakes)
    }

    /// Refuses an environment that lacks something; what it has beyond the example is given back as warnings.
    pub fn check(&self, env: &str) -> Result<Diagnostics, EngineError> {
        let (Some(comparison), Some(example)) = (self.compare(env)?, &self.example) else {
            return Ok(Diagnostics(Vec::new()));
        };
        let mistakes = comparison.mistakes(&self.file(env));
        if mistakes.is_empty() {
            return Ok(Diagnostics(comparison.warnings(&example.path)));
        }
        Err(EngineError::Mistakes(Diagnostics(mistakes)))
    }
}

fn file_if_there(path: &Path) -> Result<Option<EnvFile>, ProjectError> {
    if !path.is_file() {
        return Ok(None);
    }
    Ok(Some(EnvFile { path: path.to_owned(), text: project::text_of(path)? }))
}
