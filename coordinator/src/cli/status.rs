//! `landfast status`.

use super::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct StatusArguments {}

pub(super) async fn run(_context: &Context, _args: StatusArguments) -> Result<Exit, CliError> {
    Err(CliError::usage("`status` is not built yet", "see `landfast help`"))
}
