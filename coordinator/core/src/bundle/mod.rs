//! Bundles: the files of a stack's folder that are sent to the hosts.
use std::collections::BTreeMap;

mod env_files;
mod files;
pub mod ignore;
mod pattern;

pub use env_files::EnvFiles;
pub(crate) use files::{beneath, files_at, is_in_bundle, normalise};
pub use ignore::{IgnoreRules, InvalidPattern, invalid_patterns};
pub use pattern::PatternError;

/// Contents of a stack's folder. Paths are relative and use `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Entries by path.
    pub entries: BTreeMap<String, Entry>,
}

/// Entry of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Permission bits.
    pub mode: u32,
    /// Contents of the entry.
    pub content: Content,
}

/// Contents of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A file.
    File {
        /// BLAKE3 digest in lower-case hex.
        digest: String,
        /// Size in bytes.
        size: u64,
    },
    /// A symbolic link with its target.
    Link(String),
    /// An empty folder.
    Folder,
}
