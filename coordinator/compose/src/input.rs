//! What the loader is given.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
