//! `landfast history`.

use super::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct HistoryArguments {}

pub(super) async fn run(_context: &Context, _args: HistoryArguments) -> Result<Exit, CliError> {
    Err(CliError::usage("`history` is not built yet", "see `landfast help`"))
}
