//! `landfast host`: adds hosts to the fleet, removes them, and lists them.

mod add;
mod entry;
mod list;
mod networks;
mod remove;
mod user;

use clap::{Args, Subcommand};

use crate::{CliError, Context, Exit};

#[derive(Debug, Args)]
pub struct HostArguments {
    #[command(subcommand)]
    verb: HostVerb,
}

#[derive(Debug, Subcommand)]
enum HostVerb {
    /// Install the agent on a host over SSH and add the host to the fleet; run it again to update the agent
    Add(Box<add::AddArguments>),
    /// Remove everything of the fleet from a host except for volumes, and the host from landfast.toml
    Rm(Box<remove::RemoveArguments>),
    /// List the hosts and their state
    #[command(alias = "list")]
    Ls,
}

pub(super) async fn run(context: &Context, args: HostArguments) -> Result<Exit, CliError> {
    match args.verb {
        HostVerb::Add(args) => add::run(context, *args).await,
        HostVerb::Rm(args) => remove::run(context, *args).await,
        HostVerb::Ls => list::run(context).await,
    }
}
