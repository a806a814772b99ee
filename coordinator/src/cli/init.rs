//! `landfast init`.

use super::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct InitArguments {}

pub(super) async fn run(_context: &Context, _args: InitArguments) -> Result<Exit, CliError> {
    Err(CliError::usage("`init` is not built yet", "see `landfast help`"))
}
