//! Assigns the addresses of fleet networks: written, automatic and gateway addresses.
//!
//! A written address is assigned, or refused with the name of its other owner. Automatic addresses stay the same. The MAC is
//! `02:1f:<epoch>:<low 16 bits of the address>`. The epoch increases when an address moves to another host, so that no entry about
//! the old host matches the new one.
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use landfast_agreement::Mac;

use crate::deployment::{Deployment, InstanceName};
use crate::findings::Findings;
use crate::fleet::{Fleet, FleetNetwork};
use crate::host_state::HostState;
use landfast_compose::Location;

/// Returns the address of the bridge by network and host. Existing addresses stay; new ones are the lowest free addresses.
pub fn gateways(fleet: &Fleet, held: &BTreeMap<String, HostState>) -> BTreeMap<(String, String), Ipv4Addr> {
    let mut gateways = BTreeMap::new();
    for (name, network) in &fleet.networks {
        for (host, state) in held.iter().filter(|(host, _)| fleet.hosts.contains_key(*host)) {
            let found = state.networks.iter().find(|held| held.name == *name && held.overlay.is_some());
            let kept = found.and_then(|held| held.gateway.parse::<Ipv4Addr>().ok());
            if let Some(kept) = kept.filter(|kept| network.gateways.contains(kept)) {
                gateways.insert((name.clone(), host.clone()), kept);
            }
        }
        let taken: BTreeSet<Ipv4Addr> = gateways.values().copied().collect();
        let mut free = usable(network, network.gateways).filter(|address| !taken.contains(address));
        for host in fleet.hosts.keys() {
            let key = (name.clone(), host.clone());
            if !gateways.contains_key(&key) {
                gateways.extend(free.next().map(|address| (key, address)));
            }
        }
    }
    gateways
}

/// Request of an instance for an address on a fleet network.
#[derive(Debug, Clone)]
pub(crate) struct AddressRequest {
    pub(crate) instance: InstanceName,
    pub(crate) network: String,
    pub(crate) host: String,
    /// Address in the compose file, and the dotted path of its key.
    pub(crate) written: Option<(String, String)>,
}

/// Address and MAC that an instance gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AssignedAddress {
    pub(crate) address: Ipv4Addr,
    pub(crate) mac: String,
}

/// Assigned addresses by instance and network.
pub(crate) type AssignedAddresses = BTreeMap<(InstanceName, String), AssignedAddress>;

/// The stack, and the other stacks of its fleet.
#[derive(Clone, Copy)]
pub(crate) struct StackContext<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) stack: &'a str,
    pub(crate) held: &'a BTreeMap<String, HostState>,
    pub(crate) beside: &'a [Deployment],
}

/// Assigns an address to every request, or adds an error.
pub(crate) fn assign(
    context: StackContext<'_>,
    requests: &[AddressRequest],
    findings: &mut Findings<'_>,
) -> AssignedAddresses {
    let mut ledger = Ledger::new(context);
    let mut addresses = AssignedAddresses::new();
    for request in requests {
        let Some((text, path)) = &request.written else { continue };
        match ledger.check(request, text, findings.locate(path)) {
            Ok(address) => addresses.extend([(request.key(), ledger.give(request, address))]),
            Err(message) => {
                findings.refuse(path.clone(), message);
            }
        }
    }
    let (keeping, new): (Vec<_>, Vec<_>) = requests
        .iter()
        .filter(|request| request.written.is_none())
        .map(|request| (request, ledger.kept(request)))
        .partition(|(_, kept)| kept.is_some());
    for (request, address) in keeping.into_iter().chain(new) {
        match address.filter(|address| !ledger.is_written(request, *address)).or_else(|| ledger.free(request)) {
            Some(address) => addresses.extend([(request.key(), ledger.give(request, address))]),
            None => {
                let path = format!("services.{}.networks", request.instance.service);
                findings.refuse(path, format!("no address is left in the automatic range of {}", request.network));
            }
        }
    }
    addresses
}

impl AddressRequest {
    fn key(&self) -> (InstanceName, String) {
        (self.instance.clone(), self.network.clone())
    }
}

/// Instance that holds an address, with its host and MAC.
struct Holder {
    owner: InstanceName,
    host: String,
    mac: String,
}

struct Ledger<'a> {
    context: StackContext<'a>,
    gateways: BTreeMap<(String, String), Ipv4Addr>,
    /// Addresses that were held before this run.
    before: BTreeMap<(String, Ipv4Addr), Holder>,
    /// Addresses of other stacks, which cannot be assigned.
    foreign: BTreeMap<(String, Ipv4Addr), String>,
    /// Addresses assigned in this run, with their owner and the location of a written address.
    given: BTreeMap<(String, Ipv4Addr), (InstanceName, Option<Location>)>,
}

impl<'a> Ledger<'a> {
    fn new(context: StackContext<'a>) -> Self {
        let mut ledger = Self {
            context,
            gateways: gateways(context.fleet, context.held),
            before: BTreeMap::new(),
            foreign: BTreeMap::new(),
            given: BTreeMap::new(),
        };
        let replaced = |stack: &str| stack == context.stack || context.beside.iter().any(|other| other.stack == stack);
        for (host, state) in context.held {
            for instance in &state.instances {
                for attachment in &instance.container.networks {
                    let Ok(address) = attachment.address.parse() else { continue };
                    let key = (attachment.network.clone(), address);
                    if !replaced(&instance.name.stack) {
                        ledger.foreign.insert(key.clone(), format!("{} on {host}", instance.name));
                    }
                    let holding =
                        Holder { owner: instance.name.clone(), host: host.clone(), mac: attachment.mac.clone() };
                    ledger.before.insert(key, holding);
                }
            }
        }
        for (name, instance) in context.beside.iter().flat_map(|deployment| &deployment.instances) {
            for attachment in &instance.container.networks {
                let Ok(address) = attachment.address.parse() else { continue };
                ledger.foreign.insert((attachment.network.clone(), address), format!("{name} on {}", instance.host));
            }
        }
        ledger
    }

    /// Assigns a written address, or returns the reason why that is not possible.
    fn check(&mut self, request: &AddressRequest, text: &str, location: Option<Location>) -> Result<Ipv4Addr, String> {
        let fleet_network = &self.context.fleet.networks[&request.network];
        let address: Ipv4Addr = text.parse().map_err(|_| format!("{text:?} is not an IPv4 address"))?;
        let network = &request.network;
        let FleetNetwork { subnet, gateways, location: written, .. } = fleet_network;
        if !subnet.contains(&address) {
            return Err(format!("{address} is outside {network}'s subnet {subnet} ({written})"));
        }
        if address == subnet.network() || address == subnet.broadcast() {
            return Err(format!(
                "{address} is the first or last address of {network}'s subnet {subnet}, which no instance can have"
            ));
        }
        let is_gateway =
            |((name, _), gateway): &(&(String, String), &Ipv4Addr)| name == network && **gateway == address;
        if let Some(((_, host), _)) = self.gateways.iter().find(is_gateway) {
            return Err(format!(
                "{address} is the gateway of host {host} on {network} (gateways = {gateways}, {written})"
            ));
        }
        if gateways.contains(&address) {
            return Err(format!("{address} is in {network}'s range for gateways, {gateways} ({written})"));
        }
        let key = (network.clone(), address);
        if let Some(owner) = self.foreign.get(&key) {
            return Err(format!("{address} on {network} is held by {owner}"));
        }
        if let Some((owner, elsewhere)) = self.given.get(&key) {
            let place = elsewhere.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
            return Err(format!("{address} on {network} is also the address of {owner}{place}"));
        }
        self.given.insert(key, (request.instance.clone(), location));
        Ok(address)
    }

    /// Returns the automatic address that the instance already has.
    fn kept(&self, request: &AddressRequest) -> Option<Ipv4Addr> {
        let network = &self.context.fleet.networks[&request.network];
        let is_its = |((name, address), holding): &(&(String, Ipv4Addr), &Holder)| {
            *name == request.network && holding.owner == request.instance && network.auto.contains(address)
        };
        self.before.iter().find(is_its).map(|((_, address), _)| *address)
    }

    /// Whether an automatic address is now used as a written address or a gateway.
    fn is_written(&self, request: &AddressRequest, address: Ipv4Addr) -> bool {
        let key = (request.network.clone(), address);
        let network = &self.context.fleet.networks[&request.network];
        self.given.contains_key(&key) || self.foreign.contains_key(&key) || network.gateways.contains(&address)
    }

    /// Returns the lowest automatic address that no instance has, including instances that will be removed.
    fn free(&self, request: &AddressRequest) -> Option<Ipv4Addr> {
        let network = &self.context.fleet.networks[&request.network];
        usable(network, network.auto).filter(|address| !network.gateways.contains(address)).find(|address| {
            let key = (request.network.clone(), *address);
            !self.given.contains_key(&key) && !self.foreign.contains_key(&key) && !self.before.contains_key(&key)
        })
    }

    fn give(&mut self, request: &AddressRequest, address: Ipv4Addr) -> AssignedAddress {
        let key = (request.network.clone(), address);
        self.given.entry(key.clone()).or_insert_with(|| (request.instance.clone(), None));
        let epoch = match self.before.get(&key) {
            Some(holding) if holding.host == request.host => epoch_of(&holding.mac).unwrap_or(1),
            Some(holding) => epoch_of(&holding.mac).map_or(1, |epoch| epoch.checked_add(1).unwrap_or(1)),
            None => 1,
        };
        AssignedAddress { address, mac: Mac::of(epoch, address).to_string() }
    }
}

/// Returns the addresses of a range without the first and last ones of the range and of the subnet.
fn usable(network: &FleetNetwork, range: ipnet::Ipv4Net) -> impl Iterator<Item = Ipv4Addr> {
    let (first, last) = (network.subnet.network(), network.subnet.broadcast());
    range.hosts().filter(move |address| *address != first && *address != last)
}

/// The epoch in the MAC of an address on a fleet network.
fn epoch_of(mac: &str) -> Option<u16> {
    mac.parse::<Mac>().ok()?.epoch()
}
