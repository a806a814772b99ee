//! `landfast logs`.

use super::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct LogsArguments {}

pub(super) async fn run(_context: &Context, _args: LogsArguments) -> Result<Exit, CliError> {
    Err(CliError::usage("`logs` is not built yet", "see `landfast help`"))
}
