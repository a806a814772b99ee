//! Numbers of the containers that are made for an instance. They grow with each of them, on whichever host it is made, so that
//! a report about one container is never taken for one about another.
use std::collections::BTreeMap;

use super::{HostState, Instance, Wanted};
use crate::deployment::{Deployment, InstanceName};
use crate::report::Report;

/// Numbers the new containers of these deployments.
///
/// A container that its host holds keeps its number. So does one that exists as it should be, although the host holds another
/// state of it: a failed change is taken back, or the host has lost its state. Any other container gets a number that is greater
/// than all that the hosts hold or report for the instance.
pub fn number_incarnations(
    deployments: &[Deployment],
    held: &BTreeMap<String, HostState>,
    reports: &BTreeMap<String, Report>,
    target: &mut BTreeMap<String, HostState>,
) {
    let highest = highest(held, reports);
    for (host, state) in target {
        for instance in &mut state.instances {
            if !deployments.iter().any(|deployment| deployment.stack == instance.name.stack) {
                continue;
            }
            let highest = highest.get(&instance.name).copied().unwrap_or(0);
            instance.incarnation = match existing(instance, held.get(host), reports.get(host)) {
                Some(number) => number,
                None => highest + 1,
            };
            instance.last_incarnation = if highest > instance.incarnation { highest } else { 0 };
        }
    }
}

/// The number of the container that a host holds or has for an instance, if it is as it should be.
fn existing(instance: &Instance, held: Option<&HostState>, report: Option<&Report>) -> Option<u64> {
    let is_held = |it: &&Instance| it.wanted == Wanted::Run && it.digest == instance.digest;
    let held = held.and_then(|state| state.incarnations(&instance.name).filter(is_held).map(|it| it.incarnation).max());
    let mut seen = report.into_iter().flat_map(|report| &report.instances);
    let seen = || seen.find(|it| it.name == instance.name && it.digest == instance.digest).map(|it| it.incarnation);
    held.or_else(seen)
}

/// The greatest number of each instance that a host holds or reports.
fn highest<'a>(
    held: &'a BTreeMap<String, HostState>,
    reports: &'a BTreeMap<String, Report>,
) -> BTreeMap<&'a InstanceName, u64> {
    let held = held.values().flat_map(|state| &state.instances);
    let held = held.map(|it| (&it.name, it.incarnation.max(it.last_incarnation)));
    let seen = reports.values().flat_map(|report| &report.instances).map(|it| (&it.name, it.incarnation));
    let mut highest = BTreeMap::new();
    for (name, number) in held.chain(seen) {
        let known = highest.entry(name).or_default();
        *known = number.max(*known);
    }
    highest
}
