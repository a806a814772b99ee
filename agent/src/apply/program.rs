//! Programs the overlay of a network: device, addresses, neighbours and forwarding entries.

use landfast_agent_core::attempts::Resource;
use landfast_agent_core::overlay::Step;

use super::{Executor, StepError};
use crate::wire::Held;

pub(super) async fn run(executor: &Executor, held: &Held, network: &str, steps: &[Step]) -> Result<(), StepError> {
    let overlay = held.desired.networks.get(network).and_then(|network| network.overlay.as_ref());
    let not_assigned = || StepError::NotAssigned(Resource::Overlay(network.to_owned()));
    let bridge = &overlay.ok_or_else(not_assigned)?.bridge;
    for step in steps {
        executor.overlay.apply(bridge, step).await?;
    }
    Ok(())
}
