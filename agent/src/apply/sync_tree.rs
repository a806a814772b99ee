//! Makes the live tree of a stack match a bundle.

use super::{Executor, StepError};
use crate::observe::blocking;

/// Returns the paths of the files that stay as they are because they were edited on the host.
pub(super) async fn run(executor: &Executor, stack: &str, manifest: &str) -> Result<Vec<String>, StepError> {
    let (trees, stack, manifest) = (executor.trees.clone(), stack.to_owned(), manifest.to_owned());
    Ok(blocking(move || trees.apply(&stack, &manifest)).await?.kept)
}
