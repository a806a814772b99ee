//! Hosts that a deployment leaves as they are although it would change them, because they are away and the user named them.
use std::collections::{BTreeMap, BTreeSet};

use super::{HostState, connect};
use crate::deployment::InstanceName;
use crate::fabric;
use crate::ledger;

/// Reason why a host cannot be left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CannotLeave {
    /// Instances would move from or to the host. Nobody can see whether they still run there.
    Moved(BTreeSet<InstanceName>),
    /// Two instances would have the same address, because one of them keeps it on the host.
    SameAddress {
        /// The address.
        address: String,
        /// Names of the two instances.
        instances: Box<[InstanceName; 2]>,
    },
}

/// Replaces the target of these hosts by what they hold. What connects the hosts follows.
///
/// # Errors
/// Instances would move from or to one of these hosts, or would get an address that is kept there.
pub fn leave(
    hosts: &BTreeSet<String>,
    held: &BTreeMap<String, HostState>,
    target: &mut BTreeMap<String, HostState>,
) -> Result<(), CannotLeave> {
    let is_left = |host: &String| hosts.contains(host);
    let names = |states: &BTreeMap<String, HostState>, left: bool| -> BTreeSet<InstanceName> {
        let states = states.iter().filter(|(host, _)| is_left(host) == left).map(|(_, state)| state);
        states.flat_map(|state| &state.instances).map(|instance| instance.name.clone()).collect()
    };
    let leaves = names(held, true).intersection(&names(target, false)).cloned().collect::<BTreeSet<_>>();
    let enters = names(held, false).intersection(&names(target, true)).cloned().collect::<BTreeSet<_>>();
    let moved: BTreeSet<InstanceName> = leaves.union(&enters).cloned().collect();
    if !moved.is_empty() {
        return Err(CannotLeave::Moved(moved));
    }
    // What was lost before is still lost: the target keeps the address although no state has it.
    let planned = target.values().next().map(|state| state.fabric.clone()).unwrap_or_default();
    let of_target: BTreeSet<fabric::Address> =
        target.values().flat_map(ledger::held).map(|(_, address, ..)| address).collect();
    let lost = planned.endpoints.iter().filter(|(address, endpoint)| {
        matches!(endpoint.holder, fabric::Holder::Instance(_)) && !of_target.contains(*address)
    });
    let lost: BTreeSet<&fabric::Endpoint> = lost.map(|(_, endpoint)| endpoint).collect();
    for host in hosts {
        if let (Some(state), Some(held)) = (target.get_mut(host), held.get(host)) {
            state.clone_from(held);
        }
    }
    one_holder_each(target)?;
    connect(held, target, |endpoint| lost.contains(endpoint));
    Ok(())
}

/// Checks that no two instances have the same address on a network of the fleet.
fn one_holder_each(states: &BTreeMap<String, HostState>) -> Result<(), CannotLeave> {
    let mut holders: BTreeMap<fabric::Address, &InstanceName> = BTreeMap::new();
    for (instance, address, ..) in states.values().flat_map(ledger::held) {
        let ip = address.ip.to_string();
        // Two incarnations of one instance may have the same address.
        if let Some(other) = holders.insert(address, &instance.name).filter(|other| **other != instance.name) {
            let instances = Box::new([other.clone(), instance.name.clone()]);
            return Err(CannotLeave::SameAddress { address: ip, instances });
        }
    }
    Ok(())
}
