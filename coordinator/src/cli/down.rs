//! `landfast down`.

use super::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct DownArguments {}

pub(super) async fn run(_context: &Context, _args: DownArguments) -> Result<Exit, CliError> {
    Err(CliError::usage("`down` is not built yet", "see `landfast help`"))
}
