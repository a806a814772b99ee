//! `landfast plan`.

use super::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct PlanArguments {}

pub(super) async fn run(_context: &Context, _args: PlanArguments) -> Result<Exit, CliError> {
    Err(CliError::usage("`plan` is not built yet", "see `landfast help`"))
}
