//! `landfast build`: builds the stacks' images, whether they are there or not. Nothing on any host changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use landfast_engine::operation::BuildOptions;

use crate::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct BuildArguments {
    /// Services whose images are built; all that have `build` when none is named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Only of this stack
    #[arg(long, value_name = "STACK")]
    pub stack: Vec<String>,
    /// Enable a profile, instead of those in landfast.toml
    #[arg(long = "profile", id = "stack_profile", value_name = "PROFILE")]
    pub profile: Vec<String>,
    /// Environment file, instead of .env and what landfast.toml says; several are read in order, later ones win
    #[arg(long = "env-file", id = "stack_env_file", value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Make every layer anew
    #[arg(long)]
    pub no_cache: bool,
    /// Ask the registries for the base images
    #[arg(long)]
    pub pull: bool,
    /// A build argument; a name alone takes this process's variable
    #[arg(long, value_name = "KEY=VALUE")]
    pub build_arg: Vec<String>,
}

pub(super) async fn run(context: &Context, args: BuildArguments) -> Result<Exit, CliError> {
    let engine = context.engine_reading(&args.profile, &args.env_file, &args.stack)?;
    let store = context.store(&engine)?;
    let options = BuildOptions { no_cache: args.no_cache, pull: args.pull, args: arguments(context, &args.build_arg) };
    let services = args.services.into_iter().collect::<BTreeSet<_>>();
    let built = engine
        .build_images(&*store, &args.stack, &services, &options)
        .await
        .map_err(|error| context.engine_error(error))?;
    match built.as_slice() {
        [] if !services.is_empty() => {
            let names = services.into_iter().collect::<Vec<_>>().join(", ");
            Err(CliError::usage(format!("no service {names} has `build`"), "`landfast config --services` lists them"))
        }
        [] => {
            context.talk("nothing to build: no service has `build`\n");
            Ok(Exit::Done)
        }
        built => {
            context.talk(&format!("built: {}\n", built.join(", ")));
            Ok(Exit::Done)
        }
    }
}

fn arguments(context: &Context, written: &[String]) -> BTreeMap<String, String> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => Some((text.clone(), context.environment.get(text)?.clone())),
    };
    written.iter().filter_map(pair).collect()
}
