//! `landfast sync`: copies the files of stacks to the hosts that run them, without touching containers.

use super::up::carry_out;
use landfast_engine::operation::Operation;

use crate::arguments::{Confirmation, StackArguments};
use crate::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct SyncArguments {
    #[command(flatten)]
    pub stacks: StackArguments,
    #[command(flatten)]
    pub confirmation: Confirmation,
}

pub(super) async fn run(context: &Context, args: SyncArguments) -> Result<Exit, CliError> {
    let engine = args.stacks.engine(context)?;
    let operation = Operation::Sync { stacks: args.stacks.stacks };
    carry_out(context, engine, operation, &args.confirmation, |_| "Apply these changes?".to_owned()).await
}
