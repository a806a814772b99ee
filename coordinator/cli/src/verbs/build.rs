//! `landfast build`: builds the images of stacks, even if they exist. It does not change what runs on the hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use landfast_engine::operation::{BuildOptions, Operation};

use super::up;

use crate::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct BuildArguments {
    /// Names of services to build; all services with `build` when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Build only images of this stack
    #[arg(long, value_name = "STACK")]
    pub stack: Vec<String>,
    /// Enable this profile instead of those in landfast.toml
    #[arg(long = "profile", id = "stack_profile", value_name = "PROFILE")]
    pub profile: Vec<String>,
    /// Read variables from this file instead of .env and the files in landfast.toml; several are read in order, and
    /// later files win
    #[arg(long = "env-file", id = "stack_env_file", value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Do not use the build cache
    #[arg(long)]
    pub no_cache: bool,
    /// Always ask the registries for newer base images
    #[arg(long)]
    pub pull: bool,
    /// Set a build argument; a name alone takes the value from the environment
    #[arg(long, value_name = "KEY=VALUE")]
    pub build_arg: Vec<String>,
}

pub(super) async fn run(context: &Context, args: BuildArguments) -> Result<Exit, CliError> {
    let engine = context.engine_reading(&args.profile, &args.env_file, &args.stack)?;
    let options = BuildOptions { no_cache: args.no_cache, pull: args.pull, args: arguments(context, &args.build_arg) };
    let services = args.services.into_iter().collect::<BTreeSet<_>>();
    let operation = Operation::Build { stacks: args.stack, services: services.clone(), options };
    let store = context.store(&engine, &operation.purpose(), tokio::time::Instant::now()).await?;
    let proposal = engine.propose(&*store, operation).await?;
    proposal.plan.warnings.iter().for_each(|warning| context.printer.warn(warning));
    if proposal.is_empty() {
        if services.is_empty() {
            context.message("nothing to build: no service has `build`\n");
            return Ok(Exit::Done);
        }
        let names = services.into_iter().collect::<Vec<_>>().join(", ");
        let message = format!("no service named {names} has `build`");
        return Err(CliError::usage(message, "`landfast config --services` lists the services"));
    }
    let stop = context.signals.graceful();
    let outcome = engine.carry_out(&*store, proposal, stop).await?;
    context.message(&up::sentence(&outcome));
    Ok(Exit::Done)
}

/// Parses the build arguments. A name without a value takes the value from the environment.
fn arguments(context: &Context, written: &[String]) -> BTreeMap<String, String> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => Some((text.clone(), context.environment.get(text)?.clone())),
    };
    written.iter().filter_map(pair).collect()
}
