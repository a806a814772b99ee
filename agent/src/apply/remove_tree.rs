//! Removes the files that the bundles of a stack brought.

use super::{Executor, StepError};
use crate::observe::blocking;

/// Returns an empty list: no edited file is reported for a stack that is gone.
pub(super) async fn run(executor: &Executor, stack: &str) -> Result<Vec<String>, StepError> {
    let (trees, stack) = (executor.trees.clone(), stack.to_owned());
    blocking(move || trees.remove(&stack)).await?;
    Ok(Vec::new())
}
