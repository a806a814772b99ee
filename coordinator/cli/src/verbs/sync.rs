//! `landfast sync`: brings stacks' files to the hosts that have them, and touches no container.

use super::up::carry_out;
use crate::arguments::StackArguments;
use crate::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct SyncArguments {
    #[command(flatten)]
    pub stacks: StackArguments,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

pub(super) async fn run(context: &Context, args: SyncArguments) -> Result<Exit, CliError> {
    let engine = args.stacks.engine(context)?;
    let store = context.store(&engine)?;
    let proposal =
        engine.propose_sync(&*store, &args.stacks.stacks).await.map_err(|error| context.engine_error(error))?;
    carry_out(context, &engine, &*store, proposal, args.yes, "Go ahead?").await
}
