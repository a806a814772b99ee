//! From compose files to a project: parse with spans > interpolate > merge > profiles > normalise > typed project.
//!
//! The loader never touches a file: what it needs beyond the files it is given (`include`, `extends`, `env_file`) it asks
//! its [`Reader`] for. [`load`] gives a [`Loaded`] project, which prints as the reference prints it ([`canonical`]) and
//! becomes the typed [`Project`] that is compiled ([`Loaded::project`]).
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod budget;
mod canonical;
mod causes;
pub mod diagnostic;
pub mod discover;
mod environment;
mod extends;
mod forms;
mod include;
mod load;
mod merge;
pub mod model;
mod normalise;
mod paths;
pub mod quantity;
mod recover;
mod rules;
mod schema;
mod select;
mod snippet;
pub mod spelling;
mod text;
mod unify;

pub use canonical::{Layout, canonical, canonical_for_yaml, doubled, json_text, service_digests, sort_keys, yaml_text};
pub use causes::unite;
pub use diagnostic::{Diagnostic, Diagnostics, Location};
pub use forms::mounts::clean;
pub use load::{load, normalise_name, uninterpolated};
pub use model::Project;
pub use schema::keys::cases;
pub use schema::{Case, Key, Standing, keys};
pub use text::dotenv;
pub use text::interpolate::{Lookup, Refusal, substitute};
pub use text::variables::{Variable, variables};

/// What a project is loaded from.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// The `-f` files in their order, each with its text; absolute paths.
    pub files: Vec<(PathBuf, String)>,
    /// `-p`, when given; else `COMPOSE_PROJECT_NAME`, else `name:` in the files, else the folder's name.
    pub project_name: Option<String>,
    /// Absolute; relative paths start here.
    pub working_dir: PathBuf,
    /// The variables to interpolate with: the process's over the `.env` file's.
    pub environment: BTreeMap<String, String>,
    /// The enabled profiles, `*` for all; when empty, those of `COMPOSE_PROFILES`.
    pub profiles: Vec<String>,
    /// These services and what they depend on; when empty, all.
    pub services: Vec<String>,
    /// Leave `env_file` unread.
    pub keep_env_files: bool,
    /// Leave out what a project only implies: the default network, resources' names, dependencies.
    pub skip_normalisation: bool,
    /// Leave unasked whether services and resources hold together.
    pub skip_consistency: bool,
    /// Leave relative paths as they are written.
    pub keep_paths: bool,
    /// Files lead to files beneath this folder and no others; `None` lets them lead anywhere, as the reference does.
    pub root: Option<PathBuf>,
}

/// Bytes of one file: a reader need not read more of any.
pub const MAX_FILE_SIZE: usize = 16 << 20;

/// Answers with a file's text, `None` when there is no such file, or why it cannot be read.
pub type Reader<'a> = &'a dyn Fn(&Path) -> Result<Option<String>, String>;

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
    tree: text::node::Node,
    /// Those that secrets and configs are made of.
    variables: BTreeMap<String, model::Contents>,
}
