//! `landfast host`: who belongs to the fleet.

mod add;
mod entry;
mod list;
mod networks;
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
    /// Bring the agent to a host over SSH and make it a member; again: bring it up to date
    Add(Box<add::AddArguments>),
    /// List the hosts and whether they answer
    #[command(alias = "list")]
    Ls,
}

pub(super) async fn run(context: &Context, args: HostArguments) -> Result<Exit, CliError> {
    match args.verb {
        HostVerb::Add(args) => add::run(context, *args).await,
        HostVerb::Ls => list::run(context).await,
    }
}
