//! Creates a volume of the host state.

use landfast_agent_core::attempts::Resource;

use super::{Executor, StepError};
use crate::wire::Held;

pub(super) async fn run(executor: &Executor, held: &Held, volume: &str) -> Result<(), StepError> {
    let not_assigned = || StepError::NotAssigned(Resource::Volume(volume.to_owned()));
    let wanted = held.volume(volume).ok_or_else(not_assigned)?;
    Ok(executor.engine.create_volume(wanted, &executor.fleet).await?)
}
