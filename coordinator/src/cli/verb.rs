//! The command line as a whole: what stands before the verb, and the list of verbs.

use clap::{Parser, Subcommand};

use super::arguments::{ComposeArguments, Global};
use super::{build, cert, check, config, down, env, history, host, init, logs, plan, ps, rollback, status, sync, up};

/// Pushes Compose stacks to a group of Linux boxes and keeps every service at the address you gave it.
#[derive(Debug, Parser)]
#[command(name = "landfast", version, max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(flatten)]
    pub compose: ComposeArguments,
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a fleet: landfast.toml, its authority and your own certificate
    Init(init::InitArguments),
    /// Add a host over SSH, or list the hosts
    Host(host::HostArguments),
    /// Write certificates for those who carry them by hand
    Cert(cert::CertArguments),
    /// Print the project that the compose files make, as `docker compose config` does
    Config(Box<config::ConfigArguments>),
    /// Say what speaks against the stacks though they would run; exit 1 when something is an error
    Check(Box<check::CheckArguments>),
    /// Build images; nothing on the hosts changes
    Build(build::BuildArguments),
    /// List the stacks' environments, or choose one
    Env(env::EnvArguments),
    /// Say what `up` would change and why; exit 3 when that is not nothing
    Plan(plan::PlanArguments),
    /// Make the hosts what the stacks say
    Up(up::UpArguments),
    /// Remove stacks; their volumes stay unless -v is given
    Down(down::DownArguments),
    /// Show the hosts and what runs on them
    Status(status::StatusArguments),
    /// Show the instances
    Ps(ps::PsArguments),
    /// Show what services wrote to their output
    Logs(logs::LogsArguments),
    /// Bring a stack's files to its hosts without touching containers
    Sync(sync::SyncArguments),
    /// List the releases of the stacks
    History(history::HistoryArguments),
    /// Deploy an earlier release again
    Rollback(rollback::RollbackArguments),
}
