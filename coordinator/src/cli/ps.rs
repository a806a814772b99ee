//! `landfast ps`.

use super::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct PsArguments {}

pub(super) async fn run(_context: &Context, _args: PsArguments) -> Result<Exit, CliError> {
    Err(CliError::usage("`ps` is not built yet", "see `landfast help`"))
}
