//! Removes a network that is no longer assigned, and the VXLAN devices that have lost their bridge.

use std::collections::BTreeSet;

use super::{Executor, StepError};
use crate::wire::Held;

pub(super) async fn run(executor: &Executor, held: &Held, network: &str) -> Result<(), StepError> {
    executor.engine.remove_network(network).await?;
    if !held.is_connected() {
        return Ok(());
    }
    Ok(executor.overlay.retain(&bridges(held)).await?)
}

/// Bridges of all networks that have an overlay.
fn bridges(held: &Held) -> BTreeSet<String> {
    let overlays = held.desired.networks.values().filter_map(|network| network.overlay.as_ref());
    overlays.map(|overlay| overlay.bridge.clone()).collect()
}
