//! What the loader returns.
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::diagnostic::Diagnostic;
use super::model::Contents;
use super::text::node::Node;

/// A project that was read, checked and normalised.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The project's name.
    pub name: String,
    /// Where relative paths started.
    pub working_dir: PathBuf,
    /// What is read but has no effect, and variables without a value.
    pub warnings: Vec<Diagnostic>,
    /// The files that were read beside those that were given.
    pub files_read: Vec<PathBuf>,
    pub(crate) tree: Node,
    /// Those that secrets and configs are made of.
    pub(crate) variables: BTreeMap<String, Contents>,
}
