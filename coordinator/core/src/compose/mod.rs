//! From compose files to a project: parse with spans > interpolate > merge > profiles > normalise > typed project.
//!
//! The loader never touches a file: what it needs beyond the files it is given (`include`, `extends`, `env_file`) it asks
//! its [`Reader`] for.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub mod diagnostic;
pub mod dotenv;
mod interpolate;
mod node;
mod scalar;
mod yaml;
pub mod model;
mod project;
pub mod quantity;

pub use diagnostic::{Diagnostic, Diagnostics, Location};
pub use model::Project;

/// What a project is loaded from.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// The `-f` files in their order, each with its text.
    pub files: Vec<(PathBuf, String)>,
    /// `-p`, when given; else `name:` in the files, else the folder's name.
    pub project_name: Option<String>,
    /// Absolute; relative paths start here.
    pub working_dir: PathBuf,
    /// The variables to interpolate with: the process's over the `.env` file's.
    pub environment: BTreeMap<String, String>,
    /// The enabled profiles; `*` enables all.
    pub profiles: Vec<String>,
}

/// Answers with a file's text, `None` when there is no such file, or why it cannot be read.
pub type Reader<'a> = &'a dyn Fn(&Path) -> Result<Option<String>, String>;
