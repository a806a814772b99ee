//! Stops a container, after the commands that belong before its stop.

use landfast_agent_core::desired::Incarnation;

use super::{Executor, StepError};
use crate::error_text::in_one_line;

/// A command before the stop that fails is logged and does not keep the container running.
pub(super) async fn run(
    executor: &Executor,
    instance: &Incarnation,
    container: &str,
    grace: Option<u32>,
) -> Result<(), StepError> {
    if let Err(error) = executor.engine.run_hooks_before_stop(container).await {
        tracing::warn!(instance = %instance, error = in_one_line(&error), "hook before the stop failed");
    }
    Ok(executor.engine.stop_container(container, grace).await?)
}
