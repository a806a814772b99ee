//! Context of a command: the current folder, the shared arguments, the environment and the printer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::output::progress::{self, ProgressPrinter};
use crate::output::stderr;
use crate::signals::Signals;
use landfast_engine::event::Listener;
use landfast_engine::folder::FleetFolder;
use landfast_engine::observe::Status;
use landfast_engine::project::Request;
use landfast_engine::store::{Store, StoreError};
use landfast_engine::{Engine, EngineError};
use tokio::time::Instant;

use crate::CliError;
use crate::arguments::{ComposeArguments, Format, Global};

/// Interval at which a store that another process uses is tried again.
const POLL: Duration = Duration::from_millis(200);

/// Everything a command needs besides its own arguments.
pub struct Context {
    /// Arguments that every verb accepts.
    pub global: Global,
    /// Compose arguments before the verb.
    pub compose: ComposeArguments,
    /// Folder that the command was called in.
    pub current_dir: PathBuf,
    /// Environment variables whose name and value are UTF-8.
    pub environment: BTreeMap<String, String>,
    /// Printer for progress and warnings.
    pub printer: Arc<ProgressPrinter>,
    /// Signals that ask the process to stop. Only commands that can stop halfway and clean up wait for them.
    pub signals: Signals,
}

impl Context {
    pub(super) fn new(global: Global, compose: ComposeArguments, signals: Signals) -> Result<Self, CliError> {
        let current_dir =
            std::env::current_dir().map_err(|error| CliError::failed("cannot read the current folder", error))?;
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let environment = std::env::vars_os().filter_map(text).collect();
        let printer = Arc::new(ProgressPrinter::new(progress::printer(global.quiet)));
        Ok(Self { global, compose, current_dir, environment, printer, signals })
    }

    /// Returns whether to print JSON. YAML and SARIF are refused, because only `config` and `check` print them.
    pub(super) fn json(&self) -> Result<bool, CliError> {
        match self.global.format {
            None | Some(Format::Table) => Ok(false),
            Some(Format::Json) => Ok(true),
            Some(Format::Yaml) => {
                Err(CliError::usage("only `config` prints YAML", "use --format json or --format table"))
            }
            Some(Format::Sarif) => {
                Err(CliError::usage("only `check` prints SARIF", "use --format json or --format table"))
            }
        }
    }

    /// Finds the fleet. Options that override `landfast.toml` are refused, so that `up` is the same for every operator.
    pub fn folder(&self) -> Result<FleetFolder, CliError> {
        let given = &self.compose;
        let named = given.project_directory.is_some() || given.project_name.is_some();
        if named || !given.file.is_empty() {
            return Err(CliError::usage(
                "-f, -p and --project-directory are only for `config` and `check`: the stacks of a fleet are in landfast.toml",
                "set `path`, `files` and `project` (for -p) under [stacks.NAME]",
            ));
        }
        Ok(FleetFolder::find(self.global.fleet.as_deref(), &self.current_dir)?)
    }

    /// Returns the request for the project that `docker compose` would load here, without a fleet.
    pub(super) fn request(&self, compose: ComposeArguments) -> Result<Request, CliError> {
        self.one_source_of_variables(&compose.env_file)?;
        Ok(Request {
            current_dir: self.current_dir.clone(),
            files: compose.file,
            profiles: compose.profile,
            env_files: compose.env_file,
            env: self.global.env.clone(),
            project_name: compose.project_name,
            project_directory: compose.project_directory,
            environment: self.environment.clone(),
            ..Request::default()
        })
    }

    fn one_source_of_variables(&self, env_files: &[PathBuf]) -> Result<(), CliError> {
        if self.global.env.is_some() && !env_files.is_empty() {
            return Err(CliError::usage(
                "--env and --env-file cannot be combined: both select the source of variables",
                "use only one of them",
            ));
        }
        Ok(())
    }

    /// Creates the engine for a command that does not read the variables of stacks.
    pub fn engine(&self, profiles: &[String]) -> Result<Engine, CliError> {
        if !self.compose.env_file.is_empty() {
            return Err(CliError::usage(
                "--env-file is only for commands that read the variables of a stack: `config`, `check`, `plan`, `up`, `sync`, `build`",
                "leave it out",
            ));
        }
        self.engine_of(profiles, Vec::new())
    }

    /// Creates the engine for a command that reads these stacks. An `--env-file` before the verb is read first.
    pub(super) fn engine_reading(
        &self,
        profiles: &[String],
        env_files: &[PathBuf],
        stacks: &[String],
    ) -> Result<Engine, CliError> {
        let named: Vec<_> = self.compose.env_file.iter().chain(env_files).cloned().collect();
        self.one_source_of_variables(&named)?;
        let files = named.iter().map(|file| self.env_file(file)).collect::<Result<Vec<_>, _>>()?;
        let engine = self.engine_of(profiles, files)?;
        if !named.is_empty() && stacks.is_empty() && engine.folder.fleet.stacks.len() > 1 {
            return Err(CliError::usage(
                "--env-file requires the names of stacks, because the fleet has several",
                "name the stacks that the file applies to",
            ));
        }
        Ok(engine)
    }

    /// Returns the absolute path of an `--env-file`, which must exist.
    fn env_file(&self, file: &Path) -> Result<PathBuf, CliError> {
        let path = self.current_dir.join(file);
        match std::fs::metadata(&path) {
            Ok(found) if found.is_dir() => {
                let error = std::io::Error::from(std::io::ErrorKind::IsADirectory);
                Err(CliError::failed(format!("cannot read --env-file {}", file.display()), error))
            }
            Ok(_) => Ok(path),
            Err(error) => Err(CliError::failed(format!("cannot read --env-file {}", file.display()), error)),
        }
    }

    fn engine_of(&self, profiles: &[String], env_files: Vec<PathBuf>) -> Result<Engine, CliError> {
        let folder = self.folder()?;
        let options = landfast_engine::Options {
            env: self.global.env.clone(),
            env_files,
            profiles: self.compose.profile.iter().chain(profiles).cloned().collect(),
            environment: self.environment.clone(),
            ..landfast_engine::Options::default()
        };
        Ok(Engine::new(folder, options, Arc::clone(&self.printer) as Arc<dyn Listener>))
    }

    /// Prints a text on stderr unless `--quiet` is given.
    pub(super) fn message(&self, text: &str) {
        if !self.global.quiet {
            stderr::text(text);
        }
    }

    /// Prints the problems of all hosts as warnings on stderr.
    pub(super) fn warn_of(&self, status: &Status) {
        for problem in status.hosts.iter().flat_map(|host| &host.problems) {
            self.printer.warn(problem);
        }
    }

    /// Opens the store in the fleet's folder for a command, as in `up data`. While another process uses it, this waits until
    /// the deadline.
    pub(super) async fn store(
        &self,
        engine: &Engine,
        purpose: &str,
        deadline: Instant,
    ) -> Result<Box<dyn Store>, CliError> {
        let mut is_waiting = false;
        loop {
            match engine.folder.store_for(purpose) {
                Err(error @ StoreError::Locked { .. }) if Instant::now() < deadline => {
                    if !is_waiting {
                        self.printer.say(&format!("waiting: {error}"));
                    }
                    is_waiting = true;
                    tokio::time::sleep(POLL).await;
                }
                opened => return Ok(opened.map_err(EngineError::Store)?),
            }
        }
    }

    /// Opens a copy of the store in the fleet's folder, for a command that changes nothing. It neither waits for another process
    /// nor keeps one from running.
    pub(super) fn store_to_read(&self, engine: &Engine) -> Result<Box<dyn Store>, CliError> {
        Ok(engine.folder.store_copy().map_err(EngineError::Store)?)
    }
}
