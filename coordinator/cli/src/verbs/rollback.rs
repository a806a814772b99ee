//! `landfast rollback`: deploys an earlier release of a stack again, as a new release.

use landfast_engine::operation::Operation;

use super::up::carry_out;
use crate::arguments::Confirmation;
use crate::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct RollbackArguments {
    /// Name of the stack; required if the fleet has several
    #[arg(value_name = "STACK")]
    pub stack: Option<String>,
    /// Deploy this release; default: the last successful release before the current one
    #[arg(long, value_name = "N")]
    pub to: Option<u64>,
    #[command(flatten)]
    pub confirmation: Confirmation,
}

pub(super) async fn run(context: &Context, args: RollbackArguments) -> Result<Exit, CliError> {
    let engine = context.engine(&[])?;
    let stack = match args.stack {
        Some(stack) => stack,
        None => {
            let mut all = engine.folder.fleet.stacks.keys();
            match (all.next(), all.next()) {
                (Some(only), None) => only.clone(),
                _ => {
                    let known = engine.folder.fleet.stacks.keys().cloned().collect::<Vec<_>>().join(", ");
                    return Err(CliError::usage("the fleet has several stacks", format!("name one of {known}")));
                }
            }
        }
    };
    engine.folder.stack(&stack)?;
    let operation = Operation::Rollback { stack, release: args.to };
    carry_out(context, engine, operation, &args.confirmation, |_| "Roll back to this release?".to_owned()).await
}
