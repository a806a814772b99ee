//! Removes a container that does not run.

use super::{Executor, StepError};

pub(super) async fn run(executor: &Executor, container: &str) -> Result<(), StepError> {
    Ok(executor.engine.remove_container(container).await?)
}
