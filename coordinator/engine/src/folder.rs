//! The fleet's folder, which contains `landfast.toml` and the local state.

use std::io;
use std::path::{Path, PathBuf};

use landfast_certs::Credentials;
use landfast_compose::Diagnostics;
use landfast_core::fleet::{Fleet, StackConfig};

use crate::Hint;
use crate::store::{self, Store, StoreError, User};

/// Name of the fleet's configuration file, which marks the fleet's folder.
pub const FILE: &str = "landfast.toml";
/// Name of the folder for local state beside the configuration file. It is never sent to a host.
pub const STATE: &str = ".landfast";

/// A fleet and the folder that it was read from.
#[derive(Debug, Clone)]
pub struct FleetFolder {
    /// Absolute path of the folder.
    pub path: PathBuf,
    /// Configuration of the fleet.
    pub fleet: Fleet,
}

/// A failure to read the fleet's folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// No folder with a `landfast.toml` was found.
    #[error("no {FILE} in {} or a folder above it", .start.display())]
    NoFleet { start: PathBuf },
    /// The `landfast.toml` cannot be read.
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The `landfast.toml` has mistakes.
    #[error("{0}")]
    Mistakes(Diagnostics),
    /// The fleet has no stack with this name.
    #[error("landfast.toml has no stack {name}")]
    NoStack { name: String, known: Vec<String> },
    /// The operator's credentials cannot be loaded.
    #[error("your certificate cannot be used")]
    Credentials(#[source] landfast_certs::Error),
}

impl Hint for FolderError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoFleet { .. } => Some("create a fleet with `landfast init`, or pass its folder with -C".to_owned()),
            Self::NoStack { known, .. } if known.is_empty() => Some("add it under [stacks.NAME]".to_owned()),
            Self::NoStack { known, .. } => Some(format!("the stacks in landfast.toml are {}", known.join(", "))),
            Self::Credentials(_) => Some("create one with `landfast init`: it writes .landfast/operator".to_owned()),
            Self::Unreadable { .. } | Self::Mistakes(_) => None,
        }
    }

    fn mistakes(&self) -> Option<&Diagnostics> {
        match self {
            Self::Mistakes(mistakes) => Some(mistakes),
            _ => None,
        }
    }
}

impl FleetFolder {
    /// Reads the fleet in the named folder, or else in the nearest folder upwards from `current_dir` that contains a
    /// `landfast.toml`.
    pub fn find(named: Option<&Path>, current_dir: &Path) -> Result<Self, FolderError> {
        let path = match named {
            Some(folder) => current_dir.join(folder),
            None => {
                let nearest = current_dir.ancestors().find(|folder| folder.join(FILE).is_file());
                nearest.ok_or_else(|| FolderError::NoFleet { start: current_dir.to_owned() })?.to_owned()
            }
        };
        let file = path.join(FILE);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(FolderError::NoFleet { start: path }),
            Err(source) => return Err(FolderError::Unreadable { path: file, source }),
        };
        let shown = file.strip_prefix(current_dir).unwrap_or(&file);
        let fleet = Fleet::parse(&shown.display().to_string(), &text).map_err(FolderError::Mistakes)?;
        Ok(Self { path, fleet })
    }

    /// The stacks with these names, or all stacks if no name is given.
    pub fn stacks<'a>(&'a self, names: &[String]) -> Result<Vec<(&'a str, &'a StackConfig)>, FolderError> {
        if names.is_empty() {
            return Ok(self.fleet.stacks.iter().map(|(name, config)| (name.as_str(), config)).collect());
        }
        names.iter().map(|name| self.stack(name)).collect()
    }

    /// The stack with this name.
    pub fn stack<'a>(&'a self, name: &str) -> Result<(&'a str, &'a StackConfig), FolderError> {
        let known = || self.fleet.stacks.keys().cloned().collect();
        let found = self.fleet.stacks.get_key_value(name).map(|(name, config)| (name.as_str(), config));
        found.ok_or_else(|| FolderError::NoStack { name: name.to_owned(), known: known() })
    }

    /// The operator's credentials for the agents.
    pub fn credentials(&self) -> Result<Credentials, FolderError> {
        Credentials::load(&self.path.join(STATE).join("operator")).map_err(FolderError::Credentials)
    }

    /// Opens the store of this folder. Only one process at a time can have it open.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it open.
    pub fn store(&self) -> Result<Box<dyn Store>, StoreError> {
        store::open(&self.store_path(), None)
    }

    /// Opens the store of this folder for a command, as in `up data`. Other processes are told of it.
    ///
    /// # Errors
    /// As [`FleetFolder::store`].
    pub fn store_for(&self, purpose: &str) -> Result<Box<dyn Store>, StoreError> {
        let person = self.credentials().map(|credentials| credentials.identity().name().to_owned());
        let owner = owner(person.as_deref().unwrap_or("an unknown person"));
        store::open(&self.store_path(), Some(&User::new(owner, purpose)))
    }

    /// Opens a copy of the store, to read it while another process uses it. What is written to it is lost.
    ///
    /// # Errors
    /// The store is damaged, or cannot be read.
    pub fn store_copy(&self) -> Result<Box<dyn Store>, StoreError> {
        store::open_copy(&self.store_path())
    }

    /// Path of the store of this folder.
    pub fn store_path(&self) -> PathBuf {
        self.path.join(STATE).join("state.redb")
    }
}

/// Names this process to other operators: person, machine and process.
pub(crate) fn owner(person: &str) -> String {
    let system = rustix::system::uname();
    format!("{person}@{}, process {}", system.nodename().to_string_lossy(), std::process::id())
}
