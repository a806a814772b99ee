//! `landfast sync`.

use super::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct SyncArguments {}

pub(super) async fn run(_context: &Context, _args: SyncArguments) -> Result<Exit, CliError> {
    Err(CliError::usage("`sync` is not built yet", "see `landfast help`"))
}
