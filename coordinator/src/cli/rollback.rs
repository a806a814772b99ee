//! `landfast rollback`.

use super::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct RollbackArguments {}

pub(super) async fn run(_context: &Context, _args: RollbackArguments) -> Result<Exit, CliError> {
    Err(CliError::usage("`rollback` is not built yet", "see `landfast help`"))
}
