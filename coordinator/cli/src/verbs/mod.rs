//! The command line as a whole: what stands before the verb, and the list of verbs.

mod build;
mod cert;
mod check;
mod config;
mod down;
mod env;
mod history;
mod host;
mod init;
mod logs;
mod plan;
mod ps;
mod rollback;
mod status;
mod sync;
mod up;

use clap::{Parser, Subcommand};

use crate::arguments::{ComposeArguments, Global};
use crate::signals::Signals;
use crate::{CliError, Context, Exit};

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

/// Runs the verb that was given.
pub(crate) async fn dispatch(arguments: Arguments, signals: Signals) -> Result<Exit, CliError> {
    let context = Context::new(arguments.global, arguments.compose, signals)?;
    match arguments.verb {
        Verb::Init(args) => init::run(&context, args).await,
        Verb::Host(args) => host::run(&context, args).await,
        Verb::Cert(args) => cert::run(&context, args).await,
        Verb::Config(args) => config::run(&context, *args).await,
        Verb::Check(args) => check::run(&context, *args).await,
        Verb::Build(args) => build::run(&context, args).await,
        Verb::Env(args) => env::run(&context, args),
        Verb::Plan(args) => plan::run(&context, args).await,
        Verb::Up(args) => up::run(&context, args).await,
        Verb::Down(args) => down::run(&context, args).await,
        Verb::Status(args) => status::run(&context, args).await,
        Verb::Ps(args) => ps::run(&context, args).await,
        Verb::Logs(args) => logs::run(&context, args).await,
        Verb::Sync(args) => sync::run(&context, args).await,
        Verb::History(args) => history::run(&context, args).await,
        Verb::Rollback(args) => rollback::run(&context, args).await,
    }
}
