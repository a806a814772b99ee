//! What connects the networks of all hosts into one: the addresses of the fleet with their holders, and the names that DNS
//! answers. It is also the ledger of addresses, which every host keeps: what a host that is away holds remains held.
//!
//! Every host holds the same fabric, except for one that has missed a change. In memory, hosts share it.
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::container::Attachment;
use crate::deployment::InstanceName;
use crate::host_state::{HostState, Instance};

/// An address on a network of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Name of the network: `infra_net`.
    pub network: String,
    /// The address: `172.19.0.50`.
    pub ip: Ipv4Addr,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {}", self.ip, self.network)
    }
}

/// Where an address is, and who holds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Number that grows each time the address moves to another host, and never falls. The MAC is derived from it.
    pub epoch: u64,
    /// LAN address of the host that has the address, or had it last.
    pub host: Ipv4Addr,
    /// Holder of the address.
    pub holder: Holder,
}

/// Holder of an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// The bridge of the host.
    Gateway,
    /// An instance.
    Instance(InstanceName),
    /// Nobody: the address was vacated. Its epoch is kept.
    Nobody,
}

impl Endpoint {
    /// Whether the address is in use.
    pub fn is_held(&self) -> bool {
        self.holder != Holder::Nobody
    }
}

/// Addresses and names of the fleet. Two fabrics are equal if these are equal, whatever their versions.
#[derive(Debug, Clone, Default)]
pub struct Fabric {
    /// Number of the version, which grows with every change.
    pub version: u64,
    /// All addresses that are or were in use.
    pub endpoints: BTreeMap<Address, Endpoint>,
    /// Addresses by DNS name in lower case.
    pub names: BTreeMap<String, BTreeSet<Ipv4Addr>>,
}

impl PartialEq for Fabric {
    fn eq(&self, other: &Self) -> bool {
        let Self { version: _, endpoints, names } = self;
        (endpoints, names) == (&other.endpoints, &other.names)
    }
}

impl Eq for Fabric {}

impl Fabric {
    /// Makes the fabric of these host states. Addresses of `before` that no state holds are vacated, except for those that
    /// `keeps` returns true for.
    pub fn of(states: &BTreeMap<String, HostState>, before: &Fabric, keeps: impl Fn(&Endpoint) -> bool) -> Self {
        let mut endpoints = before.endpoints.clone();
        let mut kept = BTreeSet::new();
        for (address, endpoint) in endpoints.iter_mut().filter(|(_, endpoint)| endpoint.is_held()) {
            if keeps(endpoint) {
                kept.insert(address.ip);
            } else {
                endpoint.holder = Holder::Nobody;
            }
        }
        let mut names: BTreeMap<String, BTreeSet<Ipv4Addr>> = BTreeMap::new();
        if !kept.is_empty() {
            let still = before.names.iter().map(|(name, all)| (name.clone(), all & &kept));
            names.extend(still.filter(|(_, addresses)| !addresses.is_empty()));
        }
        for state in states.values() {
            endpoints.extend(gateways(state));
            for (instance, address, end, host) in held(state) {
                let epoch = if end.epoch == 0 { before.epoch_at(&address, host) } else { end.epoch };
                for name in names_of(instance, end) {
                    names.entry(name.to_lowercase()).or_default().insert(address.ip);
                }
                endpoints.insert(address, Endpoint { epoch, host, holder: Holder::Instance(instance.name.clone()) });
            }
        }
        let fabric = Self { version: before.version, endpoints, names };
        if fabric == *before { fabric } else { Self { version: before.version + 1, ..fabric } }
    }

    /// Returns the epoch that an address has on a host: the same while it stays there, and a greater one after each move.
    pub fn epoch_at(&self, address: &Address, host: Ipv4Addr) -> u64 {
        match self.endpoints.get(address) {
            Some(last) if last.host == host => last.epoch.max(1),
            Some(last) => last.epoch + 1,
            None => 1,
        }
    }

    /// Returns the addresses that are in use on the host with this LAN address.
    pub fn held_at(&self, host: Ipv4Addr) -> impl Iterator<Item = (&Address, &Endpoint)> {
        self.endpoints.iter().filter(move |(_, endpoint)| endpoint.host == host && endpoint.is_held())
    }

    /// Whether the same addresses are in use at the same hosts.
    pub fn same_addresses(&self, other: &Self) -> bool {
        fn held(fabric: &Fabric) -> impl Iterator<Item = (&Address, &Endpoint)> {
            fabric.endpoints.iter().filter(|(_, endpoint)| endpoint.is_held())
        }
        held(self).eq(held(other))
    }
}

/// Returns what the hosts know together: of each address, what the greatest epoch says. Hosts that hold the newest version
/// share it with the result.
pub fn ledger(states: &BTreeMap<String, HostState>) -> Arc<Fabric> {
    let Some(newest) = states.values().map(|state| &state.fabric).max_by_key(|fabric| fabric.version) else {
        return Arc::default();
    };
    let mut ledger = newest.clone();
    let mut merged: Vec<&Arc<Fabric>> = vec![newest];
    for state in states.values() {
        if merged.iter().any(|known| Arc::ptr_eq(known, &state.fabric)) {
            continue;
        }
        merged.push(&state.fabric);
        for (address, endpoint) in &state.fabric.endpoints {
            learn(&mut ledger, address, endpoint);
        }
        let unknown = state.fabric.names.keys().filter(|name| !ledger.names.contains_key(*name)).cloned();
        let unknown: Vec<String> = unknown.collect();
        for name in unknown {
            let addresses = state.fabric.names[&name].clone();
            change(&mut ledger, |fabric| fabric.names.insert(name, addresses));
        }
    }
    for state in states.values() {
        for (instance, address, end, host) in held(state) {
            let holder = Holder::Instance(instance.name.clone());
            learn(&mut ledger, &address, &Endpoint { epoch: end.epoch.max(1), host, holder });
        }
    }
    ledger
}

/// Records what is known of an address, if it is newer than what the ledger says.
fn learn(ledger: &mut Arc<Fabric>, address: &Address, endpoint: &Endpoint) {
    let is_newer = |known: &Endpoint| {
        known.epoch < endpoint.epoch || (known.epoch == endpoint.epoch && endpoint.is_held() && !known.is_held())
    };
    if ledger.endpoints.get(address).is_none_or(is_newer) {
        change(ledger, |fabric| fabric.endpoints.insert(address.clone(), endpoint.clone()));
    }
}

/// Changes a ledger, which then is another version than any host holds.
fn change<T>(ledger: &mut Arc<Fabric>, change: impl FnOnce(&mut Fabric) -> T) {
    let shared = Arc::strong_count(ledger) > 1;
    let fabric = Arc::make_mut(ledger);
    fabric.version += u64::from(shared);
    change(fabric);
}

/// Names by which the instance is known on a network: service, `service.stack`, container name and aliases.
fn names_of<'a>(instance: &Instance, end: &'a Attachment) -> impl Iterator<Item = String> + 'a {
    let InstanceName { stack, service, .. } = &instance.name;
    let own = [service.clone(), format!("{service}.{stack}"), instance.container.name.clone()];
    own.into_iter().chain(end.aliases.iter().cloned())
}

/// The bridges of a host on networks of the fleet.
fn gateways(state: &HostState) -> impl Iterator<Item = (Address, Endpoint)> {
    state.fleet_networks().filter_map(|(network, host)| {
        let address = Address { network: network.name.clone(), ip: network.gateway.parse().ok()? };
        Some((address, Endpoint { epoch: 0, host, holder: Holder::Gateway }))
    })
}

/// Addresses on networks of the fleet that the instances of a host hold, each with its attachment and the LAN address of the
/// host.
pub fn held(state: &HostState) -> impl Iterator<Item = (&Instance, Address, &Attachment, Ipv4Addr)> {
    let networks: BTreeMap<&str, Ipv4Addr> =
        state.fleet_networks().map(|(network, host)| (network.name.as_str(), host)).collect();
    state.instances.iter().flat_map(move |instance| {
        let ends = instance.container.networks.iter().filter_map(|end| {
            let host = *networks.get(end.network.as_str())?;
            let address = Address { network: end.network.clone(), ip: end.address.parse().ok()? };
            Some((instance, address, end, host))
        });
        ends.collect::<Vec<_>>()
    })
}
