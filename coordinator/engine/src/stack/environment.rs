//! The environments of a stack on this machine: which exist, which one is selected and where, which files are read, and
//! which variables an environment lacks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use landfast_compose::spelling::nearest;
use landfast_compose::{Diagnostic, Diagnostics, Location};
use landfast_core::bundle::EnvFiles;
use landfast_core::environments::{Comparison, DEFAULT_PATTERN, EnvFile, compare, env_file, is_name};
use landfast_core::fleet::{NamedEnvFile, StackConfig};

use crate::project::{self, ProjectError, normal};

use super::stack_folder;
use crate::{EngineError, Options};

/// The environments of one stack.
#[derive(Debug)]
pub struct Environments {
    /// Absolute path of the stack's folder.
    pub folder: PathBuf,
    /// Names of the environments that have all their files.
    pub there: BTreeSet<String>,
    /// The selected environment, if any.
    pub chosen: Option<Chosen>,
    /// The file that names every variable, if it exists: the file of an environment called `example`, or else
    /// `.env.example`.
    pub example: Option<EnvFile>,
    /// Path patterns of the files that each environment has of its own, relative to the folder. Later files override
    /// earlier ones.
    own: Vec<String>,
    /// Existing files that all environments share.
    common: Vec<EnvFile>,
    /// Names of the variables that are set in the shell. They override files.
    set: BTreeSet<String>,
}

/// The selected environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Name of the environment.
    pub name: String,
    /// Location in `landfast.toml`; `None` if it was given with `--env`.
    pub location: Option<Location>,
}

/// Returns the selected environment: the one of `--env`, or else the one in `landfast.toml`. `--env-file` selects none.
pub(super) fn chosen(config: &StackConfig, options: &Options) -> Option<Chosen> {
    if !options.env_files.is_empty() {
        return None;
    }
    let flag = options.env.clone().map(|name| Chosen { name, location: None });
    flag.or_else(|| config.env.clone().map(|name| Chosen { name, location: config.env_location.clone() }))
}

impl Environments {
    /// Reads the environments of a stack.
    pub fn read(fleet: &Path, stack: &str, config: &StackConfig, options: &Options) -> Result<Self, EngineError> {
        let folder = stack_folder(fleet, stack, config)?;
        let (own, shared) = patterns(config);
        let example = own.first().map(|own| env_file(own, "example"));
        let examples: Vec<_> = example.into_iter().chain([".env.example".to_owned()]).collect();
        Ok(Self {
            there: environments(&folder, &own),
            chosen: chosen(config, options),
            example: files_there(&folder, &examples)?.into_iter().next(),
            common: files_there(&folder, &shared)?,
            set: options.environment.keys().cloned().collect(),
            own,
            folder,
        })
    }

    /// Whether an environment can be selected, which requires files that differ between environments.
    pub fn can_choose(&self) -> bool {
        !self.own.is_empty()
    }

    /// Returns the file of an environment. If there are several, it is the first missing one, or else the last one,
    /// which overrides the others.
    pub fn file(&self, env: &str) -> PathBuf {
        let files: Vec<_> = self.own.iter().map(|own| normal(&self.folder.join(env_file(own, env)))).collect();
        let missing = files.iter().find(|file| !file.is_file());
        missing.or(files.last()).unwrap_or(&self.folder).clone()
    }

    /// Compares the variables of the files with the example. Returns `None` if there is no example, or if a file of the
    /// environment is missing. Files that all environments share require no selected environment.
    pub fn compare(&self, env: Option<&str>) -> Result<Option<Comparison>, EngineError> {
        let own = self.own.iter().map(|own| match env {
            Some(env) => file_if_there(&normal(&self.folder.join(env_file(own, env)))),
            None => Ok(None),
        });
        let own: Option<Vec<_>> = own.collect::<Result<_, _>>()?;
        let (Some(example), Some(own)) = (&self.example, own) else { return Ok(None) };
        compare(example, &own, &self.common, &self.set).map(Some).map_err(EngineError::Mistakes)
    }

    /// Refuses files that lack a variable of the example, and returns warnings about variables that the example
    /// lacks.
    pub fn check(&self, env: Option<&str>) -> Result<Diagnostics, EngineError> {
        let (Some(comparison), Some(example)) = (self.compare(env)?, &self.example) else {
            return Ok(Diagnostics(Vec::new()));
        };
        let last = self.common.last().map_or(&self.folder, |file| &file.path);
        let mistakes = comparison.mistakes(&env.map_or(last.clone(), |env| self.file(env)));
        if mistakes.is_empty() {
            return Ok(Diagnostics(comparison.warnings(&example.path)));
        }
        Err(EngineError::Mistakes(Diagnostics(mistakes)))
    }
}

/// Returns the path patterns of the files that each environment has of its own, and the paths of the shared files.
fn patterns(config: &StackConfig) -> (Vec<String>, Vec<String>) {
    if config.env_files.is_empty() {
        return (vec![DEFAULT_PATTERN.to_owned()], vec![".env".to_owned()]);
    }
    let text = |file: &NamedEnvFile| file.pattern.as_str().to_owned();
    let (own, shared): (Vec<_>, Vec<_>) = config.env_files.iter().partition(|file| takes_env(file));
    (own.into_iter().map(text).collect(), shared.into_iter().map(text).collect())
}

/// Returns the environments that have a file for each of these patterns.
fn environments(folder: &Path, own: &[String]) -> BTreeSet<String> {
    let Some(first) = own.first() else { return BTreeSet::new() };
    let mut there = project::environments(folder, first);
    there.retain(|env| own.iter().all(|own| folder.join(env_file(own, env)).is_file()));
    there
}

/// Sources of a stack's variables.
pub(super) struct Variables {
    /// Name of the selected environment, if any.
    pub(super) env: Option<String>,
    /// Absolute paths of the env files, in order. Empty for the default files `.env` and `.env.NAME`.
    pub(super) files: Vec<PathBuf>,
}

impl Variables {
    /// Determines the sources from `--env-file`, `--env` and `landfast.toml`.
    pub(super) fn of(place: &Place<'_>, config: &StackConfig, options: &Options) -> Result<Self, EngineError> {
        let env = chosen(config, options).map(|chosen| chosen.name);
        if !options.env_files.is_empty() || config.env_files.is_empty() {
            return Ok(Self { env, files: options.env_files.clone() });
        }
        if let Some(env) = &env {
            can_be_chosen(env, place, config)?;
        }
        let files = config.env_files.iter().map(|file| place.named(file, env.as_deref())).collect::<Result<_, _>>()?;
        Ok(Self { env, files })
    }

    /// Returns the rules that decide which env files belong to this stack's environment. `patterns` are those of the
    /// whole fleet.
    pub(super) fn owners(&self, patterns: &[String]) -> EnvFiles {
        let chosen = self.files.iter().filter_map(|file| normal(file).to_str().map(str::to_owned)).collect();
        EnvFiles::new(self.env.as_deref(), patterns.to_vec(), chosen)
    }
}

/// Returns the absolute path patterns with `{env}` of all stacks. The folder of a stack, or the context of a build, may
/// contain the files of another stack.
pub(crate) fn of_all_stacks<'s>(fleet: &Path, stacks: impl Iterator<Item = &'s StackConfig>) -> Vec<String> {
    let all = stacks.flat_map(|config| {
        let files = config.env_files.iter().filter(|file| takes_env(file));
        files.map(|file| normal(&fleet.join(&config.path).join(file.pattern.as_str())))
    });
    all.filter_map(|path| path.to_str().map(str::to_owned)).collect()
}

fn takes_env(file: &NamedEnvFile) -> bool {
    file.pattern.names_environment()
}

/// Refuses an environment for a stack whose env files are the same in every environment, and an invalid name.
fn can_be_chosen(env: &str, place: &Place<'_>, config: &StackConfig) -> Result<(), EngineError> {
    let Some(first) = config.env_files.iter().find(|file| takes_env(file)) else {
        return Err(EngineError::NoEnvironments { stack: place.stack.to_owned() });
    };
    if is_name(env) {
        return Ok(());
    }
    let path = place.folder.join(first.pattern.file(env));
    let known = place.known(first).into_iter().collect();
    Err(ProjectError::NoEnvironment { env: env.to_owned(), path, known }.into())
}

/// A stack, and the folders that its files may be in.
pub(super) struct Place<'a> {
    /// Name of the stack.
    pub(super) stack: &'a str,
    /// Absolute path of the stack's folder.
    pub(super) folder: &'a Path,
    /// Folder that must contain all files that are read.
    pub(super) readable: &'a Path,
}

impl Place<'_> {
    /// Returns the path of an env file that `landfast.toml` names. The file must exist.
    fn named(&self, file: &NamedEnvFile, env: Option<&str>) -> Result<PathBuf, EngineError> {
        let pattern = file.pattern.as_str();
        if takes_env(file) && env.is_none() {
            let hint = format!(
                "set `env` under [stacks.{}], or pass --env; existing environments: {}",
                self.stack,
                listed(&self.known(file))
            );
            return Err(self.mistake(file, format!("{pattern} needs an environment, but none is chosen"), hint));
        }
        let path = normal(&self.folder.join(file.pattern.file(env.unwrap_or_default())));
        if !path.starts_with(self.readable) {
            let message = format!("{} is outside the fleet's folder", path.display());
            return Err(self.mistake(file, message, "move it into the fleet's folder".to_owned()));
        }
        if path.is_file() {
            return Ok(path);
        }
        let message = format!("the file {} does not exist", path.display());
        Err(self.mistake(file, message, self.instead(file, env)))
    }

    /// Returns the hint about a file that does not exist.
    fn instead(&self, file: &NamedEnvFile, env: Option<&str>) -> String {
        let Some(env) = env.filter(|_| takes_env(file)) else {
            return "create the file, or remove it from env_files".to_owned();
        };
        let known = self.known(file);
        match nearest(env, known.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean the environment {meant}? existing environments: {}", listed(&known)),
            None => {
                format!("create the file, or select another environment; existing environments: {}", listed(&known))
            }
        }
    }

    fn known(&self, file: &NamedEnvFile) -> BTreeSet<String> {
        project::environments(self.folder, file.pattern.as_str())
    }

    fn mistake(&self, file: &NamedEnvFile, message: String, hint: String) -> EngineError {
        let path = format!("stacks.{}.env_files", self.stack);
        EngineError::Mistakes(Diagnostic::at(&file.location, message).key(path).hint(hint).into())
    }
}

fn listed(known: &BTreeSet<String>) -> String {
    if known.is_empty() { "none".to_owned() } else { known.iter().cloned().collect::<Vec<_>>().join(", ") }
}

fn files_there(folder: &Path, files: &[String]) -> Result<Vec<EnvFile>, ProjectError> {
    files.iter().filter_map(|file| file_if_there(&normal(&folder.join(file))).transpose()).collect()
}

fn file_if_there(path: &Path) -> Result<Option<EnvFile>, ProjectError> {
    if !path.is_file() {
        return Ok(None);
    }
    Ok(Some(EnvFile { path: path.to_owned(), text: project::text_of(path)? }))
}
