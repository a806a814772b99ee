//! What every host knows of the others: the names of the fleet and the neighbours on its networks. Both are computed from
//! the instances of all hosts.
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::{HostState, Name, Neighbour};
use crate::fleet::Fleet;
use landfast_agreement::Mac;

/// Names of all instances on fleet networks, with their addresses: service, `service.stack`, container name and aliases.
pub fn names(states: &BTreeMap<String, HostState>) -> Vec<Name> {
    let mut names: BTreeMap<String, BTreeSet<Ipv4Addr>> = BTreeMap::new();
    let fleet_networks = fleet_networks(states);
    for instance in states.values().flat_map(|state| &state.instances) {
        let (stack, service) = (&instance.name.stack, &instance.name.service);
        for end in instance.container.networks.iter().filter(|end| fleet_networks.contains(end.network.as_str())) {
            let Ok(address) = end.address.parse() else { continue };
            let own = [service.clone(), format!("{service}.{stack}"), instance.container.name.clone()];
            for name in own.iter().chain(&end.aliases) {
                names.entry(name.to_lowercase()).or_default().insert(address);
            }
        }
    }
    let name = |(name, addresses): (String, BTreeSet<Ipv4Addr>)| Name {
        name,
        addresses: addresses.iter().map(ToString::to_string).collect(),
    };
    names.into_iter().map(name).collect()
}

fn fleet_networks(states: &BTreeMap<String, HostState>) -> BTreeSet<&str> {
    let networks = states.values().flat_map(|state| &state.networks);
    networks.filter(|network| network.overlay.is_some()).map(|network| network.name.as_str()).collect()
}

/// All addresses on each fleet network, with their MAC address and the LAN address of their host.
pub fn neighbours(states: &BTreeMap<String, HostState>) -> BTreeMap<String, Vec<Neighbour>> {
    let mut by_network: BTreeMap<String, BTreeMap<Ipv4Addr, Neighbour>> = BTreeMap::new();
    for state in states.values() {
        for network in &state.networks {
            let Some(overlay) = &network.overlay else { continue };
            let all = by_network.entry(network.name.clone()).or_default();
            let mut add = |address: &str, mac: String| {
                let Ok(parsed) = address.parse() else { return };
                let neighbour = Neighbour { address: address.to_owned(), mac, host: overlay.local.clone() };
                all.insert(parsed, neighbour);
            };
            if let Ok(gateway) = network.gateway.parse() {
                add(&network.gateway, Mac::of_gateway(gateway).to_string());
            }
            for instance in &state.instances {
                for end in instance.container.networks.iter().filter(|end| end.network == network.name) {
                    add(&end.address, end.mac.clone());
                }
            }
        }
    }
    by_network.into_iter().map(|(network, all)| (network, all.into_values().collect())).collect()
}

/// Enters in every host state the neighbours that are on other hosts.
pub(super) fn add_neighbours(fleet: &Fleet, states: &mut BTreeMap<String, HostState>) {
    let all_neighbours = neighbours(states);
    for (host, state) in states {
        let local = fleet.hosts[host].address.to_string();
        for network in &mut state.networks {
            let Some(overlay) = &mut network.overlay else { continue };
            let all = all_neighbours.get(&network.name).into_iter().flatten();
            overlay.neighbours = all.filter(|neighbour| neighbour.host != local).cloned().collect();
        }
    }
}
