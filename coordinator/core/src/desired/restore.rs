//! What a host has lost of its state, and what is remembered of it.
use std::collections::BTreeSet;

use super::HostState;
use crate::report::Report;

/// Adds the stacks that a host has no state of to what it holds, if what runs there is what is remembered: every unmanaged
/// container of the stack is the one of its remembered instance. Otherwise the addresses and names of the stack would be
/// taken from it with the next deployment of another stack.
pub fn restore(held: &mut HostState, remembered: &HostState, report: &Report) {
    let unmanaged = report.instances.iter().filter(|seen| seen.unmanaged);
    let stacks: BTreeSet<&str> = unmanaged.clone().map(|seen| seen.name.stack.as_str()).collect();
    for stack in stacks {
        let mut seen = unmanaged.clone().filter(|seen| seen.name.stack == stack);
        if !seen.all(|seen| remembered.instances.iter().any(|instance| seen.is_of(instance))) {
            continue;
        }
        let HostState { networks, volumes, trees, instances, .. } = remembered;
        held.networks.extend(networks.iter().filter(|network| network.stack == stack).cloned());
        held.volumes.extend(volumes.iter().filter(|volume| volume.stack == stack).cloned());
        held.trees.extend(trees.iter().filter(|tree| tree.stack == stack).cloned());
        held.instances.extend(instances.iter().filter(|instance| instance.name.stack == stack).cloned());
    }
    super::sort(held);
}
