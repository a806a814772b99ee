//! Finding and reading what a Compose project is loaded from: the files, the `.env` files and the `COMPOSE_*` variables.
//! What they mean is decided by [`landfast_compose`].
//!
//! The order is the reference's: the process's variables win over `.env` files, the file in the working folder wins over
//! the one beside the compose file, and `COMPOSE_FILE`, `COMPOSE_PROFILES`, `COMPOSE_PROJECT_NAME`, `COMPOSE_ENV_FILES`
//! and `COMPOSE_DISABLE_ENV_FILE` stand in for the flags that were not given.

mod discovery;

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

pub(crate) use discovery::{default_files, environments, normal};
use landfast_compose::spelling::nearest;
use landfast_compose::{Diagnostic, Diagnostics, Location};
use landfast_compose::{Input, Loaded, MAX_FILE_SIZE};

/// What was asked for, before anything is read.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The folder that relative paths of the request start from; absolute.
    pub current_dir: PathBuf,
    /// `-f`, in order; `-` is standard input.
    pub files: Vec<String>,
    /// `--profile`.
    pub profiles: Vec<String>,
    /// `--env-file`, in order.
    pub env_files: Vec<PathBuf>,
    /// `--env`: `.env`, then `.env.NAME`, in place of `env_files`.
    pub env: Option<String>,
    /// The folder of a stack: env files of `env` are there and not in the project's, which may be beneath it.
    pub stack_folder: Option<PathBuf>,
    /// `-p`.
    pub project_name: Option<String>,
    /// `--project-directory`.
    pub project_directory: Option<PathBuf>,
    /// The process's variables.
    pub environment: BTreeMap<String, String>,
    /// Only these services and what they depend on.
    pub services: Vec<String>,
    /// Leave `env_file` unread.
    pub keep_env_files: bool,
    /// Leave out what a project only implies.
    pub skip_normalisation: bool,
    /// Leave unasked whether services and resources hold together.
    pub skip_consistency: bool,
    /// Leave relative paths as they are written.
    pub keep_paths: bool,
    /// Compose files may lead to files beneath this folder only.
    pub root: Option<PathBuf>,
}

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
    #[error("COMPOSE_DISABLE_ENV_FILE is {value:?}")]
    NotABoolean { value: String },
    #[error("COMPOSE_FILE is set, and names no file")]
    EmptyComposeFile,
    #[error("environment {env} has no file {}", .path.display())]
    NoEnvironment { env: String, path: PathBuf, known: Vec<String> },
    #[error("{0}")]
    Mistakes(Diagnostics),
}

impl ProjectError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoFile { .. } => Some("name one with -f, or go to the folder that has compose.yaml".to_owned()),
            Self::EmptyComposeFile => Some("unset it, or name files in it".to_owned()),
            Self::NotABoolean { .. } => Some("set it to true or false".to_owned()),
            Self::NoEnvironment { env, known, .. } => Some(environments_there(env, known)),
            _ => None,
        }
    }
}

/// What somebody may have meant, and what else there is.
fn environments_there(env: &str, known: &[String]) -> String {
    match nearest(env, known.iter().map(String::as_str)) {
        _ if known.is_empty() => "no environment has one there: make the file, or choose none".to_owned(),
        Some(meant) => format!("did you mean {meant}? there are {}", known.join(", ")),
        None => format!("there are {}: choose one, or make the file", known.join(", ")),
    }
}

/// Everything the loader starts from, read.
///
/// Errors: a file that is named is missing or unreadable, or an env file has a mistake.
pub fn read(request: &Request) -> Result<Input, ProjectError> {
    let mut environment = request.environment.clone();
    environment.entry("PWD".to_owned()).or_insert_with(|| request.current_dir.display().to_string());

    // Twice, because the first pass may set COMPOSE_FILE, and that may move the folder whose .env counts.
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

/// Loads what was read.
pub fn load(input: &Input) -> Result<Loaded, ProjectError> {
    landfast_compose::load(input, &reader).map_err(ProjectError::Mistakes)
}

/// Loads what was read, with its variables left as they are written.
pub fn load_uninterpolated(input: &Input) -> Result<serde_json::Value, ProjectError> {
    landfast_compose::uninterpolated(input, &reader).map_err(ProjectError::Mistakes)
}

/// The loader's way to the files that a compose file names.
pub fn reader(path: &Path) -> Result<Option<String>, String> {
    match std::fs::File::open(path).and_then(bounded) {
        Ok(bytes) if bytes.len() > MAX_FILE_SIZE => Err(format!("it is larger than {} MiB", MAX_FILE_SIZE >> 20)),
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| "not UTF-8 text".to_owned()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Later files win over earlier ones, and what is set already wins over all of them.
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

/// A byte more than the loader takes of any file, at most: enough to know that it is too large.
fn bounded(from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_FILE_SIZE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Places as people name them: files below the current folder without the way there.
pub fn shorten(diagnostics: Diagnostics, current_dir: &Path) -> Diagnostics {
    let above = format!("{}/", current_dir.display());
    let shorter = |location: Location| match location.file.strip_prefix(current_dir) {
        Ok(file) => Location { file: file.into(), ..location },
        Err(_) => location,
    };
    let all = diagnostics.0.into_iter().map(|mut diagnostic| {
        diagnostic.location = diagnostic.location.map(shorter);
        // Messages name second places. At the root, every path would lose its beginning.
        if above != "//" {
            diagnostic.message = diagnostic.message.replace(&above, "");
        }
        diagnostic
    });
    Diagnostics(all.collect())
}
