//! `landfast host`.

use super::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct HostArguments {}

pub(super) async fn run(_context: &Context, _args: HostArguments) -> Result<Exit, CliError> {
    Err(CliError::usage("`host` is not built yet", "see `landfast help`"))
}
