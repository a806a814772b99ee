//! Hosts that a deployment leaves as they are although it would change them, because they are away and the user named them.
use std::collections::{BTreeMap, BTreeSet};

use super::{HostState, connect};
use crate::deployment::InstanceName;
use crate::fleet::Fleet;

/// Instances that would move from or to a host that is left as it is. Nobody can see whether they still run there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved(pub BTreeSet<InstanceName>);

/// Replaces the target of these hosts by what they hold. What connects the hosts follows.
///
/// # Errors
/// The instances that would move from or to one of these hosts.
pub fn leave(
    fleet: &Fleet,
    hosts: &BTreeSet<String>,
    held: &BTreeMap<String, HostState>,
    target: &mut BTreeMap<String, HostState>,
) -> Result<(), Moved> {
    let is_left = |host: &String| hosts.contains(host);
    let names = |states: &BTreeMap<String, HostState>, left: bool| -> BTreeSet<InstanceName> {
        let states = states.iter().filter(|(host, _)| is_left(host) == left).map(|(_, state)| state);
        states.flat_map(|state| &state.instances).map(|instance| instance.name.clone()).collect()
    };
    let leaves = names(held, true).intersection(&names(target, false)).cloned().collect::<BTreeSet<_>>();
    let enters = names(held, false).intersection(&names(target, true)).cloned().collect::<BTreeSet<_>>();
    let moved: BTreeSet<InstanceName> = leaves.union(&enters).cloned().collect();
    if !moved.is_empty() {
        return Err(Moved(moved));
    }
    for host in hosts {
        if let (Some(state), Some(held)) = (target.get_mut(host), held.get(host)) {
            state.clone_from(held);
        }
    }
    connect(fleet, target);
    Ok(())
}
