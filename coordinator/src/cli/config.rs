//! `landfast config`.

use super::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct ConfigArguments {}

pub(super) async fn run(_context: &Context, _args: ConfigArguments) -> Result<Exit, CliError> {
    Err(CliError::usage("`config` is not built yet", "see `landfast help`"))
}
