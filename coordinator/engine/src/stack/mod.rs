//! One stack as it stands on this machine: its compose files with their environment, and its folder.

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

/// A stack, read.
#[derive(Debug)]
pub struct Source {
    pub stack: String,
    /// Its folder; absolute.
    pub root: PathBuf,
    /// The environment chosen.
    pub env: Option<String>,
    /// Whose its env files are.
    pub env_files: EnvFiles,
    pub project: Project,
    pub bundle: Bundle,
    /// The seccomp profiles that the project names.
    pub profiles: Profiles,
    /// Not wrong, but to be known.
    pub warnings: Vec<String>,
}

impl Source {
    /// Reads one stack. `env_files` are the paths by which the fleet's environments have files. Blocks.
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

/// The request that `config --stack` and `up` both load a stack by. What they read is in the fleet's folder: it is the
/// same for everybody who has that folder.
pub fn request(
    fleet: &Path,
    folder: &Path,
    stack: &str,
    config: &StackConfig,
    options: &Options,
) -> Result<Request, EngineError> {
    let files = compose_files(folder, stack, config)?;
    let variables = variables(fleet, folder, stack, config, options)?;
    // Files that are named hold the environment's own.
    let env = variables.env.filter(|_| variables.files.is_empty());
    let profiles = if options.profiles.is_empty() { &config.profiles } else { &options.profiles };
    Ok(Request {
        current_dir: folder.to_owned(),
        files,
        profiles: profiles.clone(),
        env_files: variables.files,
        env,
        project_name: config.project.clone(),
        // Relative paths start where the first file is, as with the reference: that may be beneath the stack's folder.
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

/// The folder beneath which files that a stack names are read.
fn readable(fleet: &Path, folder: &Path) -> PathBuf {
    let fleet = project::normal(fleet);
    if folder.starts_with(&fleet) { fleet } else { folder.to_owned() }
}

/// Those that `landfast.toml` names, else those with the usual names. Never one of a folder above.
fn compose_files(folder: &Path, stack: &str, config: &StackConfig) -> Result<Vec<String>, EngineError> {
    let files = if config.files.is_empty() { project::default_files(folder) } else { Some(config.files.clone()) };
    let nothing = || EngineError::NoComposeFile { stack: stack.to_owned(), folder: folder.to_owned() };
    Ok(files.ok_or_else(nothing)?.iter().map(|file| file.display().to_string()).collect())
}

/// The folder `landfast.toml` names, which must be there.
pub fn stack_folder(fleet: &Path, stack: &str, config: &StackConfig) -> Result<PathBuf, EngineError> {
    let path = project::normal(&fleet.join(&config.path));
    if path.is_dir() { Ok(path) } else { Err(EngineError::NoStackFolder { stack: stack.to_owned(), path }) }
}

/// `landfast.toml` says which files and profiles: a `COMPOSE_FILE` in somebody's shell must not change a deployment.
fn without_compose_variables(options: &Options) -> BTreeMap<String, String> {
    let own = options.environment.iter().filter(|(name, _)| !name.starts_with("COMPOSE_"));
    own.map(|(name, value)| (name.clone(), value.clone())).collect()
}
