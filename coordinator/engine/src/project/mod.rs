//! Finds and reads the inputs of a Compose project: the compose files, the env files and the `COMPOSE_*` variables.
//! [`landfast_compose`] interprets them.
//!
//! The precedence is that of Docker Compose. The process's variables override env files, and the env file in the
//! working folder overrides the one next to the compose file. `COMPOSE_FILE`, `COMPOSE_PROFILES`,
//! `COMPOSE_PROJECT_NAME`, `COMPOSE_ENV_FILES` and `COMPOSE_DISABLE_ENV_FILE` replace flags that are not given.

mod discovery;

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

pub(crate) use discovery::{default_files, environments, normal};
use landfast_compose::spelling::nearest;
use landfast_compose::{Diagnostic, Diagnostics, Location};
use landfast_compose::{Input, Loaded, MAX_FILE_SIZE};

use crate::Hint;

/// A request to load a project.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Absolute path of the folder that relative paths in the request start from.
    pub current_dir: PathBuf,
    /// Values of `-f`, in order; `-` stands for standard input.
    pub files: Vec<String>,
    /// Values of `--profile`.
    pub profiles: Vec<String>,
    /// Values of `--env-file`, in order.
    pub env_files: Vec<PathBuf>,
    /// Value of `--env`. It selects `.env`, then `.env.NAME`, instead of `env_files`.
    pub env: Option<String>,
    /// Folder of the stack, which contains the env files of `env`. The project's folder may be below it.
    pub stack_folder: Option<PathBuf>,
    /// Value of `-p`.
    pub project_name: Option<String>,
    /// Value of `--project-directory`.
    pub project_directory: Option<PathBuf>,
    /// Environment variables of the process.
    pub environment: BTreeMap<String, String>,
    /// Services to load, with their dependencies. Empty means all.
    pub services: Vec<String>,
    /// Whether to leave the `env_file` files unread.
    pub keep_env_files: bool,
    /// Whether to leave out implicit settings.
    pub skip_normalisation: bool,
    /// Whether to skip the consistency check of services and resources.
    pub skip_consistency: bool,
    /// Whether to keep relative paths as they are written.
    pub keep_paths: bool,
    /// Folder that compose files may refer to. Files outside it are refused.
    pub root: Option<PathBuf>,
}

/// A failure to find, read or load a project.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    #[error("no compose file in {} or a folder above it", .folder.display())]
    NoFile { folder: PathBuf },
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is not UTF-8 text", .path.display())]
    NotText { path: PathBuf },
    #[error("{} is larger than {} MiB", .path.display(), MAX_FILE_SIZE >> 20)]
    TooLarge { path: PathBuf },
    #[error("COMPOSE_DISABLE_ENV_FILE has the value {value:?}, which is not a boolean")]
    NotABoolean { value: String },
    #[error("COMPOSE_FILE is set but names no file")]
    EmptyComposeFile,
    #[error("environment {env} has no file {}", .path.display())]
    NoEnvironment { env: String, path: PathBuf, known: Vec<String> },
    #[error("{0}")]
    Mistakes(Diagnostics),
}

impl Hint for ProjectError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoFile { .. } => {
                Some("name a file with -f, or change to the folder that contains compose.yaml".to_owned())
            }
            Self::EmptyComposeFile => Some("unset it, or name files in it".to_owned()),
            Self::NotABoolean { .. } => Some("set it to true or false".to_owned()),
            Self::NoEnvironment { env, known, .. } => Some(environments_there(env, known)),
            _ => None,
        }
    }

    fn mistakes(&self) -> Option<&Diagnostics> {
        match self {
            Self::Mistakes(mistakes) => Some(mistakes),
            _ => None,
        }
    }
}

/// The hint for an unknown environment: the most similar one, and all others.
fn environments_there(env: &str, known: &[String]) -> String {
    match nearest(env, known.iter().map(String::as_str)) {
        _ if known.is_empty() => {
            "this folder has no environments: create the file, or choose no environment".to_owned()
        }
        Some(meant) => format!("did you mean {meant}? available environments: {}", known.join(", ")),
        None => format!("available environments: {}; choose one of them, or create the file", known.join(", ")),
    }
}

/// Reads the inputs of the loader.
///
/// # Errors
/// A named file is missing or unreadable, or an env file has a mistake.
pub fn read(request: &Request) -> Result<Input, ProjectError> {
    let mut environment = request.environment.clone();
    environment.entry("PWD".to_owned()).or_insert_with(|| request.current_dir.display().to_string());

    // Two passes are needed: the first may set COMPOSE_FILE, and that may change the folder whose `.env` counts.
    let found = discovery::project_folder(request, &[]);
    merge_env_files(&mut environment, &discovery::env_files(request, &found)?)?;
    let files = discovery::compose_files(request, &environment)?;
    let working_dir = discovery::project_folder(request, &files);
    merge_env_files(&mut environment, &discovery::env_files(request, &working_dir)?)?;

    let files = files.into_iter().map(|path| text_of(&path).map(|text| (path, text))).collect::<Result<_, _>>()?;
    let request = request.clone();
    Ok(Input {
        files,
        project_name: request.project_name,
        working_dir,
        environment,
        profiles: request.profiles,
        services: request.services,
        keep_env_files: request.keep_env_files,
        skip_normalisation: request.skip_normalisation,
        skip_consistency: request.skip_consistency,
        keep_paths: request.keep_paths,
        root: request.root,
    })
}

/// Loads a project from its inputs.
pub fn load(input: &Input) -> Result<Loaded, ProjectError> {
    landfast_compose::load(input, &reader).map_err(ProjectError::Mistakes)
}

/// Loads a project from its inputs without replacing variables.
pub fn load_uninterpolated(input: &Input) -> Result<serde_json::Value, ProjectError> {
    landfast_compose::uninterpolated(input, &reader).map_err(ProjectError::Mistakes)
}

/// Reads a file that a compose file names, for the loader. Returns `None` if the file does not exist.
pub fn reader(path: &Path) -> Result<Option<String>, String> {
    match std::fs::File::open(path).and_then(bounded) {
        Ok(bytes) if bytes.len() > MAX_FILE_SIZE => Err(format!("it is larger than {} MiB", MAX_FILE_SIZE >> 20)),
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| "not UTF-8 text".to_owned()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Adds the variables of env files. Later files override earlier ones, and existing variables override all files.
fn merge_env_files(environment: &mut BTreeMap<String, String>, files: &[PathBuf]) -> Result<(), ProjectError> {
    let mut from_files = BTreeMap::new();
    for path in files {
        let text = text_of(path)?;
        let lookup = |name: &str| environment.get(name).cloned();
        landfast_compose::dotenv::parse(&text, &mut from_files, &lookup).map_err(|error| {
            let location = Location { line: error.line, ..Location::whole(path.as_path()) };
            ProjectError::Mistakes(Diagnostic::at(&location, error.message).into())
        })?;
    }
    for (name, value) in from_files {
        environment.entry(name).or_insert(value);
    }
    Ok(())
}

/// Reads a text file; `-` stands for standard input.
///
/// # Errors
/// The file is unreadable, too large or not UTF-8.
pub fn text_of(path: &Path) -> Result<String, ProjectError> {
    let unreadable = |source| ProjectError::Unreadable { path: path.to_owned(), source };
    let bytes = match path == Path::new("-") {
        true => bounded(io::stdin().lock()),
        false => std::fs::File::open(path).and_then(bounded),
    };
    let bytes = bytes.map_err(unreadable)?;
    if bytes.len() > MAX_FILE_SIZE {
        return Err(ProjectError::TooLarge { path: path.to_owned() });
    }
    String::from_utf8(bytes).map_err(|_| ProjectError::NotText { path: path.to_owned() })
}

/// Reads at most one byte more than the maximum size of a file, which is enough to detect a file that is too large.
fn bounded(from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_FILE_SIZE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Shortens the paths of files below the current folder in diagnostics.
pub fn shorten(diagnostics: Diagnostics, current_dir: &Path) -> Diagnostics {
    let above = format!("{}/", current_dir.display());
    let shorter = |location: Location| match location.file.strip_prefix(current_dir) {
        Ok(file) => Location { file: file.into(), ..location },
        Err(_) => location,
    };
    let all = diagnostics.0.into_iter().map(|mut diagnostic| {
        diagnostic.location = diagnostic.location.map(shorter);
        // Messages may contain further locations. In the root folder, the replacement would remove the first `/` of
        // every path.
        if above != "//" {
            diagnostic.message = diagnostic.message.replace(&above, "");
        }
        diagnostic
    });
    Diagnostics(all.collect())
}
