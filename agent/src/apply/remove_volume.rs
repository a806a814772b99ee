//! Removes a volume with its data.

use super::{Executor, StepError};

pub(super) async fn run(executor: &Executor, volume: &str) -> Result<(), StepError> {
    Ok(executor.engine.remove_volume(volume).await?)
}
