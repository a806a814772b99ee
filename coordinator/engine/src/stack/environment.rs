//! The environments of a stack as they are on this machine: which there are, which one is chosen and by whom, which files
//! are read, and what an environment lacks.

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
    /// The stack's; absolute.
    pub folder: PathBuf,
    /// Those that have all their files.
    pub there: BTreeSet<String>,
    pub chosen: Option<Chosen>,
    /// The file that names every variable, when it is there: the one of an environment called `example`, else `.env.example`.
    pub example: Option<EnvFile>,
    /// Paths of the files that each environment has of its own, relative to the folder; later ones win.
    own: Vec<String>,
    /// Files that all environments share and that are there.
    common: Vec<EnvFile>,
    /// Names that the shell gives a value: it wins over files.
    set: BTreeSet<String>,
}

/// The environment that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    pub name: String,
    /// Its place in `landfast.toml`; none for `--env`.
    pub location: Option<Location>,
}

/// The environment that counts: the flag's, else the one of `landfast.toml`. With `--env-file`, none does.
pub(super) fn chosen(config: &StackConfig, options: &Options) -> Option<Chosen> {
    if !options.env_files.is_empty() {
        return None;
    }
    let flag = options.env.clone().map(|name| Chosen { name, location: None });
    flag.or_else(|| config.env.clone().map(|name| Chosen { name, location: config.env_location.clone() }))
}

impl Environments {
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

    /// Whether an environment can be chosen at all: the files that are read differ between environments.
    pub fn can_choose(&self) -> bool {
        !self.own.is_empty()
    }

    /// The file of an environment; of several the one that is missing, else the one that wins.
    pub fn file(&self, env: &str) -> PathBuf {
        let files: Vec<_> = self.own.iter().map(|own| normal(&self.folder.join(env_file(own, env)))).collect();
        let missing = files.iter().find(|file| !file.is_file());
        missing.or(files.last()).unwrap_or(&self.folder).clone()
    }

    /// What the files lack and have beyond the example; nothing when there is no example, or not all of the environment's files.
    /// Files that are the same in all environments need none.
    pub fn compare(&self, env: Option<&str>) -> Result<Option<Comparison>, EngineError> {
        let own = self.own.iter().map(|own| match env {
            Some(env) => file_if_there(&normal(&self.folder.join(env_file(own, env)))),
            None => Ok(None),
        });
        let own: Option<Vec<_>> = own.collect::<Result<_, _>>()?;
        let (Some(example), Some(own)) = (&self.example, own) else { return Ok(None) };
        compare(example, &own, &self.common, &self.set).map(Some).map_err(EngineError::Mistakes)
    }

    /// Refuses files that lack something; what they have beyond the example is given back as warnings.
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

/// The paths of files that each environment has of its own, and of those that all share.
fn patterns(config: &StackConfig) -> (Vec<String>, Vec<String>) {
    if config.env_files.is_empty() {
        return (vec![DEFAULT_PATTERN.to_owned()], vec![".env".to_owned()]);
    }
    let text = |file: &NamedEnvFile| file.pattern.as_str().to_owned();
    let (own, shared): (Vec<_>, Vec<_>) = config.env_files.iter().partition(|file| takes_env(file));
    (own.into_iter().map(text).collect(), shared.into_iter().map(text).collect())
}

/// The environments that have a file by each of these patterns.
fn environments(folder: &Path, own: &[String]) -> BTreeSet<String> {
    let Some(first) = own.first() else { return BTreeSet::new() };
    let mut there = project::environments(folder, first);
    there.retain(|env| own.iter().all(|own| folder.join(env_file(own, env)).is_file()));
    there
}

/// What a stack's variables are read from.
pub(super) struct Variables {
    /// The environment chosen.
    pub(super) env: Option<String>,
    /// Absolute, in order; none for `.env` and the environment's `.env.NAME`.
    pub(super) files: Vec<PathBuf>,
}

impl Variables {
    /// What `--env-file`, `--env` and `landfast.toml` say together.
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

    /// Whose env files are. `patterns` are those of the whole fleet.
    pub(super) fn owners(&self, patterns: &[String]) -> EnvFiles {
        let chosen = self.files.iter().filter_map(|file| normal(file).to_str().map(str::to_owned)).collect();
        EnvFiles::new(self.env.as_deref(), patterns.to_vec(), chosen)
    }
}

/// The absolute paths with `{env}` of all stacks: a stack's folder, or the context of a build, may hold another stack's files.
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

/// Refuses an environment for a stack whose env files are the same in all of them, and a name that is none.
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

/// A stack and where its files may be.
pub(super) struct Place<'a> {
    pub(super) stack: &'a str,
    /// The stack's; absolute.
    pub(super) folder: &'a Path,
    /// Files beneath this folder are read, and no others.
    pub(super) readable: &'a Path,
}

impl Place<'_> {
    /// The file that `landfast.toml` names, which must be there.
    fn named(&self, file: &NamedEnvFile, env: Option<&str>) -> Result<PathBuf, EngineError> {
        let pattern = file.pattern.as_str();
        if takes_env(file) && env.is_none() {
            let hint = format!(
                "set `env` under [stacks.{}], or pass --env: the environments are {}",
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

    /// What to do about a file that is not there.
    fn instead(&self, file: &NamedEnvFile, env: Option<&str>) -> String {
        let Some(env) = env.filter(|_| takes_env(file)) else {
            return "create the file, or remove it from env_files".to_owned();
        };
        let known = self.known(file);
        match nearest(env, known.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean the environment {meant}? the environments are {}", listed(&known)),
            None => format!("create the file, or select another environment: the environments are {}", listed(&known)),
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
