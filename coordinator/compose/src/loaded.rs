//! Result of the loader.
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::diagnostic::Diagnostic;
use super::model::Contents;
use super::text::node::Node;

/// A project after loading, checking and normalising.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Name of the project.
    pub name: String,
    /// Absolute path of the folder that relative paths were resolved against.
    pub working_dir: PathBuf,
    /// Warnings about keys without effect and variables without a value.
    pub warnings: Vec<Diagnostic>,
    /// The files that were read in addition to the input.
    pub files_read: Vec<PathBuf>,
    pub(crate) tree: Node,
    /// Values of the variables that secrets and configs come from.
    pub(crate) variables: BTreeMap<String, Contents>,
}
