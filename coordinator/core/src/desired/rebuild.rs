//! What a host that is away holds, as far as the others know, for a coordinator that does not remember it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use landfast_agreement::Mac;

use super::{DesiredInput, HostState, Instance, desired, sort};
use crate::container::{Attachment, Container};
use crate::deployment::{Deployment, InstanceName};
use crate::fabric::{Address, Endpoint, Holder};
use crate::fleet::Fleet;
use crate::ledger::ledger;

/// Returns the state of a host that is away, made from the last releases that reached it and from the addresses that the others
/// know of it; `None` if no other host knows the addresses of the fleet.
///
/// An instance that holds an address on the host and is of no known release is a stub: it has its name and its addresses, so that
/// these stay held, and every change of it counts as a change of the host. The numbers of containers are not known. Instances without an address of the fleet, of stacks
/// that only this host has, are not known.
pub fn rebuild(
    fleet: &Fleet,
    host: &str,
    releases: &[Deployment],
    others: &BTreeMap<String, HostState>,
) -> Option<HostState> {
    let address = fleet.hosts.get(host)?.address;
    let (removed, unmanaged) = (BTreeSet::new(), BTreeSet::new());
    let input = DesiredInput { deployments: releases, removed: &removed, remove_volumes: false, unmanaged: &unmanaged };
    let ledger = ledger(others);
    ledger.held_at(address).next()?;
    let mut state = desired(fleet, input, others).remove(host)?;
    let networks: BTreeSet<String> = state.fleet_networks().map(|(network, _)| network.name.clone()).collect();
    let mut held: BTreeMap<&InstanceName, Vec<(&Address, &Endpoint)>> = BTreeMap::new();
    for (address, endpoint) in ledger.held_at(address) {
        if let Holder::Instance(name) = &endpoint.holder {
            held.entry(name).or_default().push((address, endpoint));
        }
    }
    state.instances.retain_mut(|instance| {
        let held = held.remove(&instance.name).unwrap_or_default();
        let container = Arc::make_mut(&mut instance.container);
        let mut ends = container.networks.iter_mut().filter(|end| networks.contains(&end.network));
        ends.all(|end| is_held(end, &held))
    });
    let known: BTreeSet<InstanceName> = state.instances.iter().map(|instance| instance.name.clone()).collect();
    let stubs = held.into_iter().filter(|(name, _)| !known.contains(*name));
    state.instances.extend(stubs.map(|(name, held)| stub(name, &held)));
    state.fabric = ledger;
    sort(&mut state);
    Some(state)
}

/// Whether the others know the address of an attachment. Its epoch is then theirs.
fn is_held(end: &mut Attachment, held: &[(&Address, &Endpoint)]) -> bool {
    let same =
        |(address, _): &&(&Address, &Endpoint)| (&address.network, Some(address.ip)) == (&end.network, end.address);
    let Some((address, endpoint)) = held.iter().find(same) else { return false };
    if end.epoch != endpoint.epoch {
        (end.epoch, end.mac) = (endpoint.epoch, Mac::of(endpoint.epoch, address.ip).to_string());
    }
    true
}

fn stub(name: &InstanceName, held: &[(&Address, &Endpoint)]) -> Instance {
    let ends = held.iter().map(|(address, endpoint)| Attachment {
        network: address.network.clone(),
        address: Some(address.ip),
        mac: Mac::of(endpoint.epoch, address.ip).to_string(),
        epoch: endpoint.epoch,
        ..Attachment::default()
    });
    let container = Arc::new(Container { networks: ends.collect(), ..Container::default() });
    Instance { name: name.clone(), container, ..Instance::default() }
}
