//! Command-line arguments that several verbs share.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use landfast_core::pull::Policy;

use landfast_engine::Engine;

use crate::{CliError, Context};

/// Arguments that every verb accepts.
#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// Use the fleet in this folder; default: the nearest folder upwards that has a landfast.toml
    #[arg(short = 'C', long = "fleet", value_name = "DIR", global = true)]
    pub fleet: Option<PathBuf>,
    /// Set the output format
    #[arg(long, value_enum, global = true)]
    pub format: Option<Format>,
    /// Select an environment (the file .env.NAME) instead of `env` in landfast.toml; see `landfast env --help`
    #[arg(long, value_name = "NAME", global = true)]
    pub env: Option<String>,
    /// Print only errors and warnings
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Print more details, such as each image that a host lacks
    #[arg(long, global = true)]
    pub verbose: bool,
}

/// Arguments of every verb that changes hosts.
#[derive(Debug, Clone, Default, Args)]
pub struct Confirmation {
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
    /// Wait up to this long while another run changes the fleet, such as 30s or 10m; default: fail at once
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub wait: Option<Duration>,
    #[command(flatten)]
    pub absent: Absent,
}

/// Hosts that are left as they are.
#[derive(Debug, Clone, Default, Args)]
pub struct Absent {
    /// Leave this host as it is, because it is away; what it lacks is done by a later run
    #[arg(long, value_name = "HOST")]
    pub without: Vec<String>,
}

impl Absent {
    /// Tells the engine which hosts are left as they are.
    pub fn apply(&self, engine: &mut Engine) {
        engine.options.without = self.without.iter().cloned().collect();
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed.ok_or_else(|| "use a number with a unit, such as 30s or 10m".to_owned())
}

/// When registries are asked for images: the values of `--pull`, as in `docker compose up`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pull {
    /// Ask in every run, even for images that exist
    Always,
    /// Ask for images that are neither on a host nor on this machine
    Missing,
    /// Never ask a registry
    Never,
    /// Follow each service's `pull_policy`
    Policy,
}

impl Pull {
    /// Returns the policy that overrides the `pull_policy` of every service. `None` keeps each service's own policy.
    pub fn imposed(self) -> Option<Policy> {
        match self {
            Self::Always => Some(Policy::Always),
            Self::Missing => Some(Policy::Missing),
            Self::Never => Some(Policy::Never),
            Self::Policy => None,
        }
    }
}

/// Output format of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables and text for people
    Table,
    /// JSON for programs; its fields are documented and stable
    Json,
    /// YAML; for `config` only
    Yaml,
    /// SARIF 2.1.0; for `check` only
    Sarif,
}

/// Arguments that `docker compose` accepts before its verb. `config` and `check` accept them after the verb too. Other
/// verbs use landfast.toml, and those that read a stack accept `--env-file`.
#[derive(Debug, Clone, Default, Args)]
pub struct ComposeArguments {
    /// Read this compose file instead of the default names; several are merged (`config` and `check` only)
    #[arg(short, long = "file", value_name = "FILE")]
    pub file: Vec<String>,
    /// Enable this profile
    #[arg(long, value_name = "PROFILE")]
    pub profile: Vec<String>,
    /// Read variables from this file instead of .env or the files in landfast.toml; later files win
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Set the project name (`config` and `check` only)
    #[arg(short, long, value_name = "NAME")]
    pub project_name: Option<String>,
    /// Resolve relative paths against this folder (`config` and `check` only)
    #[arg(long, value_name = "DIR")]
    pub project_directory: Option<PathBuf>,
}

impl ComposeArguments {
    /// Appends the arguments after the verb to those before it. A single value after the verb wins.
    pub fn and(mut self, after: ComposeArguments) -> ComposeArguments {
        self.file.extend(after.file);
        self.profile.extend(after.profile);
        self.env_file.extend(after.env_file);
        self.project_name = after.project_name.or(self.project_name);
        self.project_directory = after.project_directory.or(self.project_directory);
        self
    }
}

/// Arguments that select stacks, their profiles and their variables.
#[derive(Debug, Clone, Default, Args)]
pub struct StackArguments {
    /// Names of stacks in landfast.toml; all stacks when none is named
    #[arg(value_name = "STACK")]
    pub stacks: Vec<String>,
    /// Enable this profile instead of those in landfast.toml
    #[arg(long = "profile", id = "stack_profile", value_name = "PROFILE")]
    pub profile: Vec<String>,
    /// Read variables from this file instead of .env and the files in landfast.toml; several are read in order, and
    /// later files win
    #[arg(long = "env-file", id = "stack_env_file", value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
}

impl StackArguments {
    /// Creates the engine for these stacks.
    pub(super) fn engine(&self, context: &Context) -> Result<Engine, CliError> {
        context.engine_reading(&self.profile, &self.env_file, &self.stacks)
    }
}
