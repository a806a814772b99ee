//! The arguments that verbs share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use landfast_core::pull::Policy;

use landfast_engine::Engine;

use crate::{CliError, Context};

#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// The fleet's folder; without it, the nearest one upwards that has a landfast.toml
    #[arg(short = 'C', long = "fleet", value_name = "DIR", global = true)]
    pub fleet: Option<PathBuf>,
    /// How to print data
    #[arg(long, value_enum, global = true)]
    pub format: Option<Format>,
    /// The environment: a stack's .env.NAME, instead of `env` in landfast.toml (see `landfast env --help`)
    #[arg(long, value_name = "NAME", global = true)]
    pub env: Option<String>,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Print more details, such as each image that a host lacks
    #[arg(long, global = true)]
    pub verbose: bool,
}

/// When registries are asked for images, as `docker compose up --pull` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pull {
    /// Ask in every run
    Always,
    /// Ask for images that are neither on a host nor on this machine
    Missing,
    /// Never ask
    Never,
    /// Follow each service's `pull_policy`
    Policy,
}

impl Pull {
    /// What takes the place of every service's own policy.
    pub fn imposed(self) -> Option<Policy> {
        match self {
            Self::Always => Some(Policy::Always),
            Self::Missing => Some(Policy::Missing),
            Self::Never => Some(Policy::Never),
            Self::Policy => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// For programs: documented, and kept
    Json,
    /// `config` only
    Yaml,
    /// `check` only: SARIF 2.1.0
    Sarif,
}

/// What `docker compose` takes before its verb. `config` and `check` take it after the verb too; other verbs go by
/// landfast.toml, and those that read a stack take `--env-file`.
#[derive(Debug, Clone, Default, Args)]
pub struct ComposeArguments {
    /// For `config` and `check`: compose file, instead of the usual names; several are merged
    #[arg(short, long = "file", value_name = "FILE")]
    pub file: Vec<String>,
    /// Enable a profile
    #[arg(long, value_name = "PROFILE")]
    pub profile: Vec<String>,
    /// Environment file, instead of .env or what landfast.toml says; later ones win
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// For `config` and `check`: project name
    #[arg(short, long, value_name = "NAME")]
    pub project_name: Option<String>,
    /// For `config` and `check`: the folder that relative paths start from
    #[arg(long, value_name = "DIR")]
    pub project_directory: Option<PathBuf>,
}

impl ComposeArguments {
    /// Those before the verb, then those after it.
    pub fn and(mut self, after: ComposeArguments) -> ComposeArguments {
        self.file.extend(after.file);
        self.profile.extend(after.profile);
        self.env_file.extend(after.env_file);
        self.project_name = after.project_name.or(self.project_name);
        self.project_directory = after.project_directory.or(self.project_directory);
        self
    }
}

/// Which stacks, and what of them.
#[derive(Debug, Clone, Default, Args)]
pub struct StackArguments {
    /// Stacks of landfast.toml; all of them when none is named
    #[arg(value_name = "STACK")]
    pub stacks: Vec<String>,
    /// Enable a profile, instead of those in landfast.toml
    #[arg(long = "profile", id = "stack_profile", value_name = "PROFILE")]
    pub profile: Vec<String>,
    /// Environment file, instead of .env and what landfast.toml says; several are read in order, later ones win
    #[arg(long = "env-file", id = "stack_env_file", value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
}

impl StackArguments {
    /// The engine for these stacks.
    pub(super) fn engine(&self, context: &Context) -> Result<Engine, CliError> {
        context.engine_reading(&self.profile, &self.env_file, &self.stacks)
    }
}
