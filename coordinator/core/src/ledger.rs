//! The ledger of addresses: what the hosts know together of who holds which address. The next fabric is made from it and from the
//! states that the hosts should hold.
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::container::Attachment;
use crate::deployment::InstanceName;
use crate::fabric::{Address, Endpoint, Fabric, Holder};
use crate::host_state::{HostState, Instance, Wanted};

/// Returns what the hosts know together: the newest fabric, corrected by what the states of the hosts say. Hosts that hold the
/// newest version share it with the result, if there is nothing to correct.
///
/// An older fabric counts only for addresses of which it knows a greater epoch. Otherwise a host that has missed a change would
/// bring back addresses and names that are gone.
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
            let known = ledger.endpoints.get(address);
            if known.is_none_or(|known| known.epoch < endpoint.epoch) {
                learn(&mut ledger, address, endpoint.clone());
                for (name, addresses) in state.fabric.names.iter().filter(|(_, all)| all.contains(&address.ip)) {
                    if !ledger.names.contains_key(name) {
                        let addresses = addresses.clone();
                        change(&mut ledger, |fabric| fabric.names.insert(name.clone(), addresses));
                    }
                }
            }
        }
    }
    for state in states.values() {
        for (instance, address, end, host) in held(state) {
            let of_state = Endpoint { epoch: end.epoch.max(1), host, holder: Holder::Instance(instance.name.clone()) };
            match ledger.endpoints.get(&address) {
                None => learn(&mut ledger, &address, of_state),
                Some(known) if known.epoch < of_state.epoch => learn(&mut ledger, &address, of_state),
                // A state is right about its own host. The epoch does not fall, even if the host holds an older one.
                Some(known) if !known.is_held() || known.is_unnamed() => {
                    let epoch = known.epoch;
                    learn(&mut ledger, &address, Endpoint { epoch, ..of_state });
                }
                Some(_) => {}
            }
        }
    }
    ledger
}

fn learn(ledger: &mut Arc<Fabric>, address: &Address, endpoint: Endpoint) {
    change(ledger, |fabric| fabric.endpoints.insert(address.clone(), endpoint));
}

/// Changes a ledger, which then is another version than any host holds.
fn change<T>(ledger: &mut Arc<Fabric>, change: impl FnOnce(&mut Fabric) -> T) {
    let is_shared = Arc::strong_count(ledger) > 1;
    let fabric = Arc::make_mut(ledger);
    fabric.version += u64::from(is_shared);
    change(fabric);
}

/// Makes the fabric of these host states. Addresses of `before` that no state holds are vacated, except for those that `keeps`
/// returns true for. Of two states that hold one address, the greater epoch counts.
pub fn fabric_of(states: &BTreeMap<String, HostState>, before: &Fabric, keeps: impl Fn(&Endpoint) -> bool) -> Fabric {
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
    let mut of_states: BTreeMap<Address, Endpoint> = BTreeMap::new();
    for state in states.values() {
        of_states.extend(gateways(state));
        for (instance, address, end, host) in held(state) {
            // One that is drained or gone still holds its addresses, and is not found by its names any more.
            for name in names_of(instance, end).filter(|_| instance.wanted == Wanted::Run) {
                names.entry(name.to_lowercase()).or_default().insert(address.ip);
            }
            let epoch = end.epoch.max(before.endpoints.get(&address).map_or(1, |known| known.epoch.max(1)));
            let epoch = if end.epoch == 0 { before.epoch_at(&address, host) } else { epoch };
            if of_states.get(&address).is_none_or(|other| other.epoch < epoch) {
                of_states.insert(address, Endpoint { epoch, host, holder: Holder::Instance(instance.name.clone()) });
            }
        }
    }
    endpoints.extend(of_states);
    let fabric = Fabric { version: before.version, endpoints, names };
    if fabric == *before { fabric } else { Fabric { version: before.version + 1, ..fabric } }
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
        let address = Address { network: network.name.clone(), ip: ipv4(network.spec.gateway?)? };
        Some((address, Endpoint { epoch: 0, host, holder: Holder::Gateway }))
    })
}

pub(crate) fn ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// Addresses on networks of the fleet that the instances of a host hold, each with its attachment and the LAN address of the
/// host.
pub fn held(state: &HostState) -> impl Iterator<Item = (&Instance, Address, &Attachment, Ipv4Addr)> {
    let networks: BTreeMap<&str, Ipv4Addr> =
        state.fleet_networks().map(|(network, host)| (network.name.as_str(), host)).collect();
    state.instances.iter().flat_map(move |instance| {
        let ends = instance.container.networks.iter().filter_map(|end| {
            let host = *networks.get(end.network.as_str())?;
            let address = Address { network: end.network.clone(), ip: end.address? };
            Some((instance, address, end, host))
        });
        ends.collect::<Vec<_>>()
    })
}

/// What the hosts do not hold and what nevertheless may run.
#[derive(Debug)]
pub struct Lost<'a> {
    unmanaged: &'a BTreeSet<InstanceName>,
    /// LAN addresses of the hosts whose state is known.
    hosts: BTreeSet<Ipv4Addr>,
}

impl<'a> Lost<'a> {
    /// `unmanaged` are the instances that run although their hosts hold no state of them.
    pub fn new(unmanaged: &'a BTreeSet<InstanceName>, held: &BTreeMap<String, HostState>) -> Self {
        let hosts = held.values().filter_map(|state| Some(state.fleet_networks().next()?.1)).collect();
        Self { unmanaged, hosts }
    }

    /// Returns the holder of an address that was lost with the memory of its host, or whose host is not known. Its address stays
    /// held until its stack is deployed or removed.
    pub fn holder<'e>(&self, endpoint: &'e Endpoint) -> Option<&'e InstanceName> {
        match &endpoint.holder {
            Holder::Instance(name) => {
                Some(name).filter(|name| self.unmanaged.contains(*name) || !self.hosts.contains(&endpoint.host))
            }
            Holder::Gateway | Holder::Nobody => None,
        }
    }
}
