//! Creates a network of the host state.

use landfast_agent_core::attempts::Resource;

use super::{Executor, StepError};
use crate::wire::Held;

pub(super) async fn run(executor: &Executor, held: &Held, network: &str) -> Result<(), StepError> {
    let not_assigned = || StepError::NotAssigned(Resource::Network(network.to_owned()));
    let wanted = held.network(network).ok_or_else(not_assigned)?;
    Ok(executor.engine.create_network(wanted, &executor.fleet).await?)
}
