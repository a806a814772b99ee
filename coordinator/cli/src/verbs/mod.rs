//! The command line: the arguments before the verb, and the list of verbs.

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
mod recover;
mod rollback;
mod status;
mod sync;
mod up;

use clap::{Parser, Subcommand};

use crate::arguments::{ComposeArguments, Global};
use crate::signals::Signals;
use crate::{CliError, Context, Exit};

/// Deploy Compose stacks to a group of Linux hosts and keep every service at its fixed address.
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
    /// Create a fleet: landfast.toml, the certificate authority and your own certificate
    Init(init::InitArguments),
    /// Add a host over SSH, remove a host, or list the hosts
    Host(host::HostArguments),
    /// Issue certificates, or show one
    Cert(cert::CertArguments),
    /// Print the resolved compose project, as `docker compose config` does
    Config(Box<config::ConfigArguments>),
    /// Lint the stacks: report risky settings that would still deploy; exit with 1 if there is an error
    Check(Box<check::CheckArguments>),
    /// Build images without changing the containers on the hosts
    Build(build::BuildArguments),
    /// List the environments of the stacks, or select one
    Env(env::EnvArguments),
    /// Show what `up` would change, and why; exit with 3 if there is anything
    Plan(plan::PlanArguments),
    /// Deploy the stacks: make the hosts match the compose files
    Up(up::UpArguments),
    /// Remove stacks; their volumes are kept unless -v is given
    Down(down::DownArguments),
    /// Show the hosts and the instances on them
    Status(status::StatusArguments),
    /// List the instances of the stacks
    Ps(ps::PsArguments),
    /// Show the logs of services
    Logs(logs::LogsArguments),
    /// Copy the files of stacks to their hosts without touching containers
    Sync(sync::SyncArguments),
    /// List the releases of the stacks, newest first
    History(history::HistoryArguments),
    /// Deploy an earlier release of a stack again
    Rollback(rollback::RollbackArguments),
    /// Rebuild the local store from what the hosts know; a damaged store is moved away first
    Recover(recover::RecoverArguments),
}

/// Runs the verb of the command line.
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
        Verb::Recover(args) => recover::run(&context, args).await,
    }
}
