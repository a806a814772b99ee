//! Renames a container.

use super::{Executor, StepError};

pub(super) async fn run(executor: &Executor, container: &str, name: &str) -> Result<(), StepError> {
    Ok(executor.engine.rename_container(container, name).await?)
}
