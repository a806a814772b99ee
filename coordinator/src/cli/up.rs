//! `landfast up`.

use super::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct UpArguments {}

pub(super) async fn run(_context: &Context, _args: UpArguments) -> Result<Exit, CliError> {
    Err(CliError::usage("`up` is not built yet", "see `landfast help`"))
}
