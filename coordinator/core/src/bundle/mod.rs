//! What of a stack's folder travels: a bundle's entries, and which paths are in it.
use std::collections::BTreeMap;

mod env_files;
mod files;
pub mod ignore;
mod pattern;

pub use env_files::EnvFiles;
pub(crate) use files::{beneath, files_at, is_in_bundle, normalise};
pub use ignore::{IgnoreRules, InvalidPattern, invalid_patterns};
pub use pattern::PatternError;

/// What a stack's folder held, by path: relative, with `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// By path.
    pub entries: BTreeMap<String, Entry>,
}

/// One path of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Permission bits only.
    pub mode: u32,
    /// What is there.
    pub content: Content,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A file.
    File {
        /// BLAKE3, lower-case hex.
        digest: String,
        /// In bytes.
        size: u64,
    },
    /// A symbolic link's target.
    Link(String),
    /// A folder that holds nothing else in the bundle.
    Folder,
}
