//! Converts the host state of earlier versions to units. These versions kept one state for the whole host, recorded the epoch of
//! an address only in its MAC, and told each host only the addresses of the others.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use landfast_agent_core::overlay::Mac;

use crate::wire::{Contents, Endpoint, Fabric, HostState, endpoint, instance_name, split};

/// Returns the contents of the units that the state becomes.
pub(crate) fn units(mut state: HostState) -> Vec<Contents> {
    let fleet_networks: BTreeSet<String> =
        state.networks.iter().filter(|network| network.overlay.is_some()).map(|network| network.name.clone()).collect();
    let instances = state.instances.iter_mut();
    let ends = instances.flat_map(|instance| instance.container.iter_mut().flat_map(|it| &mut it.networks));
    for end in ends.filter(|end| fleet_networks.contains(&end.network)) {
        end.epoch = epoch(&end.mac);
    }
    let fabric = Contents::Fabric(fabric(&mut state));
    let mut units = split(state);
    units.push(fabric);
    units
}

fn fabric(state: &mut HostState) -> Fabric {
    let mut endpoints = Vec::new();
    for network in &mut state.networks {
        let Some(overlay) = &mut network.overlay else { continue };
        for neighbour in std::mem::take(&mut overlay.neighbours) {
            let epoch = epoch(&neighbour.mac);
            let holder = match epoch {
                0 => endpoint::Holder::Gateway(true),
                _ => endpoint::Holder::Instance(String::new()),
            };
            let (network, address, host) = (network.name.clone(), neighbour.address, neighbour.host);
            endpoints.push(Endpoint { network, address, host, epoch, holder: Some(holder) });
        }
        let own = |address: &str, epoch, holder| Endpoint {
            network: network.name.clone(),
            address: address.to_owned(),
            host: overlay.local.clone(),
            epoch,
            holder: Some(holder),
        };
        endpoints.push(own(&network.gateway, 0, endpoint::Holder::Gateway(true)));
        for instance in &state.instances {
            let ends = instance.container.iter().flat_map(|container| &container.networks);
            let ends = ends.filter(|end| end.network == network.name && end.address.parse::<Ipv4Addr>().is_ok());
            let holder = endpoint::Holder::Instance(instance_name(instance).to_string());
            endpoints.extend(ends.map(|end| own(&end.address, end.epoch, holder.clone())));
        }
    }
    Fabric::new(0, endpoints, std::mem::take(&mut state.names))
}

/// Returns the epoch in the MAC of an address on a fleet network.
fn epoch(mac: &str) -> u64 {
    mac.parse::<Mac>().ok().and_then(Mac::epoch).map_or(0, u64::from)
}
