//! Input of the loader.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files and options that a project is loaded from.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// Absolute paths and texts of the Compose files, in the order of the `-f` options.
    pub files: Vec<(PathBuf, String)>,
    /// Name of the project, from `-p`. The default is `COMPOSE_PROJECT_NAME`, then `name:` in the files, then the name of the
    /// folder.
    pub project_name: Option<String>,
    /// Absolute path of the folder that relative paths are resolved against.
    pub working_dir: PathBuf,
    /// Variables for interpolation: those of the process, and those of the `.env` file that the process does not set.
    pub environment: BTreeMap<String, String>,
    /// The enabled profiles; `*` enables all. When empty, `COMPOSE_PROFILES` applies.
    pub profiles: Vec<String>,
    /// Services to select, together with their dependencies. When empty, all services are selected.
    pub services: Vec<String>,
    /// Whether `env_file` is kept as written instead of being read.
    pub keep_env_files: bool,
    /// Whether to leave out implied values: the default network, names of resources, and dependencies.
    pub skip_normalisation: bool,
    /// Whether to skip the check that services and resources are consistent.
    pub skip_consistency: bool,
    /// Whether relative paths are kept as written.
    pub keep_paths: bool,
    /// Folder that `include`, `extends` and `env_file` must stay in. `None` allows any path, as the reference does.
    pub root: Option<PathBuf>,
}

/// Largest size of a file in bytes. A reader need not read more.
pub const MAX_FILE_SIZE: usize = 16 << 20;

/// Reads a file. Returns its text, `None` when there is no such file, or the reason why it cannot be read.
pub type Reader<'a> = &'a dyn Fn(&Path) -> Result<Option<String>, String>;
