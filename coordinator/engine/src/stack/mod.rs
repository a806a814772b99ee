//! Reads one stack on this machine: its compose files with their environment, and its folder.

mod environment;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landfast_compose::Project;
use landfast_core::bundle::EnvFiles;
use landfast_core::compile::{self, Profiles};
use landfast_core::fleet::StackConfig;

use crate::project::{self, ProjectError, Request};
use crate::scan::{self, Bundle};

use crate::{EngineError, Options};

pub(crate) use environment::of_all_stacks;
pub use environment::{Chosen, Environments};
use environment::{Place, Variables};

/// A stack that was read from its folder.
#[derive(Debug)]
pub struct Source {
    /// Name of the stack.
    pub stack: String,
    /// Absolute path of the stack's folder.
    pub root: PathBuf,
    /// Name of the selected environment, if any.
    pub env: Option<String>,
    /// Rules that decide which env files belong to this stack's environment.
    pub env_files: EnvFiles,
    /// Loaded compose project.
    pub project: Project,
    /// Bundle of the stack's folder.
    pub bundle: Bundle,
    /// The seccomp profiles that the project names.
    pub profiles: Profiles,
    /// Warnings about the compose files and the environment.
    pub warnings: Vec<String>,
}

impl Source {
    /// Reads one stack. `env_files` are the path patterns of the env files of the whole fleet. Blocks.
    pub fn read(
        fleet: &Path,
        stack: &str,
        config: &StackConfig,
        options: &Options,
        env_files: &[String],
    ) -> Result<Self, EngineError> {
        let folder = stack_folder(fleet, stack, config)?;
        let variables = variables(fleet, &folder, stack, config, options)?;
        let env_files = variables.owners(env_files);
        let env = variables.env.clone();
        let request = request(fleet, &folder, stack, config, options)?;
        let loaded = project::load(&project::read(&request)?)?;
        let beyond = match options.env_files.is_empty() {
            true => Environments::read(fleet, stack, config, options)?.check(env.as_deref())?.0,
            false => Vec::new(),
        };
        let bundle = scan::scan(&folder, env_files.clone())?;
        let project = loaded.project().map_err(ProjectError::Mistakes)?;
        let profiles = compile::profiles(&project, &folder, &readable(fleet, &folder), &project::reader);
        let warnings = beyond.iter().chain(&loaded.warnings).map(ToString::to_string).collect();
        Ok(Self { stack: stack.to_owned(), root: folder, env, env_files, project, bundle, profiles, warnings })
    }
}

/// Returns the request that loads the compose files of a stack, for both `config --stack` and `up`. All files that it
/// reads are in the fleet's folder, so that the result is the same for every user of that folder.
pub fn request(
    fleet: &Path,
    folder: &Path,
    stack: &str,
    config: &StackConfig,
    options: &Options,
) -> Result<Request, EngineError> {
    let files = compose_files(folder, stack, config)?;
    let variables = variables(fleet, folder, stack, config, options)?;
    // Files that are named explicitly include those of the environment.
    let env = variables.env.filter(|_| variables.files.is_empty());
    let profiles = if options.profiles.is_empty() { &config.profiles } else { &options.profiles };
    Ok(Request {
        current_dir: folder.to_owned(),
        files,
        profiles: profiles.clone(),
        env_files: variables.files,
        env,
        project_name: config.project.clone(),
        // Relative paths start at the folder of the first file, as in Docker Compose. It may be below the
        // stack's folder.
        stack_folder: Some(folder.to_owned()),
        environment: without_compose_variables(options),
        root: Some(readable(fleet, folder)),
        ..Request::default()
    })
}

fn variables(
    fleet: &Path,
    folder: &Path,
    stack: &str,
    config: &StackConfig,
    options: &Options,
) -> Result<Variables, EngineError> {
    let readable = readable(fleet, folder);
    Variables::of(&Place { stack, folder, readable: &readable }, config, options)
}

/// Returns the folder that must contain all files that a stack names.
fn readable(fleet: &Path, folder: &Path) -> PathBuf {
    let fleet = project::normal(fleet);
    if folder.starts_with(&fleet) { fleet } else { folder.to_owned() }
}

/// Returns the compose files that `landfast.toml` names, or else those with the default names. Parent folders are not
/// searched.
fn compose_files(folder: &Path, stack: &str, config: &StackConfig) -> Result<Vec<String>, EngineError> {
    let files = if config.files.is_empty() { project::default_files(folder) } else { Some(config.files.clone()) };
    let nothing = || EngineError::NoComposeFile { stack: stack.to_owned(), folder: folder.to_owned() };
    Ok(files.ok_or_else(nothing)?.iter().map(|file| file.display().to_string()).collect())
}

/// Returns the folder of a stack, which must exist.
pub fn stack_folder(fleet: &Path, stack: &str, config: &StackConfig) -> Result<PathBuf, EngineError> {
    let path = project::normal(&fleet.join(&config.path));
    if path.is_dir() { Ok(path) } else { Err(EngineError::NoStackFolder { stack: stack.to_owned(), path }) }
}

/// Returns the environment variables without those of Docker Compose. `landfast.toml` determines the files and
/// profiles: a `COMPOSE_FILE` in the user's shell must not change a deployment.
fn without_compose_variables(options: &Options) -> BTreeMap<String, String> {
    let own = options.environment.iter().filter(|(name, _)| !name.starts_with("COMPOSE_"));
    own.map(|(name, value)| (name.clone(), value.clone())).collect()
}
