//! `landfast cert`.

use super::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct CertArguments {}

pub(super) async fn run(_context: &Context, _args: CertArguments) -> Result<Exit, CliError> {
    Err(CliError::usage("`cert` is not built yet", "see `landfast help`"))
}
