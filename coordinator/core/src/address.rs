//! Assigns the addresses of fleet networks: written, automatic and gateway addresses.
//!
//! A written address is assigned, or refused with the name of its other owner. Automatic addresses stay the same. The
//! [fabric](crate::fabric) says which addresses are taken, and which epoch each one has. The epoch increases when an address moves
//! to another host, so that no entry about the old host matches the new one.
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use landfast_agreement::Mac;

use crate::deployment::{self, Deployment, InstanceName};
use crate::fabric::{Address, Endpoint, Fabric, Holder};
use crate::findings::Findings;
use crate::fleet::{Fleet, FleetNetwork};
use crate::host_state::{HostState, Instance};
use crate::ledger::{held as held_by, ipv4, ledger};
use landfast_compose::Location;

/// Returns the address of the bridge by network and host. Existing addresses stay; new ones are the lowest free addresses.
pub fn gateways(fleet: &Fleet, held: &BTreeMap<String, HostState>) -> BTreeMap<(String, String), Ipv4Addr> {
    let mut gateways = BTreeMap::new();
    let known = ledger(held);
    for (name, network) in &fleet.networks {
        let mut taken: BTreeSet<Ipv4Addr> = BTreeSet::new();
        let mut keep = |host: &String, address: Option<Ipv4Addr>| {
            let key = (name.clone(), host.clone());
            let kept = address.filter(|address| network.gateways.contains(address));
            if let Some(kept) = kept.filter(|_| !gateways.contains_key(&key)).filter(|kept| taken.insert(*kept)) {
                gateways.insert(key, kept);
            }
        };
        for (host, state) in held.iter().filter(|(host, _)| fleet.hosts.contains_key(*host)) {
            let found = state.networks.iter().find(|held| held.name == *name && held.overlay.is_some());
            keep(host, found.and_then(|held| ipv4(held.spec.gateway?)));
        }
        // The bridge of a host that lost its memory has the address that the other hosts know.
        let known = known
            .endpoints
            .iter()
            .filter(|(address, endpoint)| address.network == *name && endpoint.holder == Holder::Gateway);
        let known: BTreeMap<Ipv4Addr, Ipv4Addr> =
            known.map(|(address, endpoint)| (endpoint.host, address.ip)).collect();
        for (host, config) in &fleet.hosts {
            keep(host, known.get(&config.address).copied());
        }
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

/// Address that an instance gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AssignedAddress {
    pub(crate) address: Ipv4Addr,
    pub(crate) epoch: u64,
}

impl AssignedAddress {
    pub(crate) fn mac(self) -> Mac {
        Mac::of(self.epoch, self.address)
    }
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

struct Ledger<'a> {
    context: StackContext<'a>,
    /// Addresses that were held before this run, and their epochs.
    fabric: Arc<Fabric>,
    /// Host and epoch of each address that a host holds.
    held: BTreeMap<Address, (String, u64)>,
    /// Automatic addresses that were held before this run, by holder and network.
    kept: BTreeMap<(InstanceName, String), Ipv4Addr>,
    /// Host of each gateway.
    gateways: BTreeMap<Address, String>,
    /// Addresses of other stacks, which cannot be assigned, with their holder.
    foreign: BTreeMap<Address, String>,
    /// Addresses assigned in this run, with their owner and the location of a written address.
    given: BTreeMap<Address, (InstanceName, Option<Location>)>,
    /// First address of each network that may be free. All automatic addresses before it are taken.
    next: BTreeMap<String, Ipv4Addr>,
}

impl<'a> Ledger<'a> {
    fn new(context: StackContext<'a>) -> Self {
        let fabric = ledger(context.held);
        let gateways = gateways(context.fleet, context.held).into_iter();
        let mut ledger = Self {
            context,
            gateways: gateways.map(|((network, host), ip)| (Address { network, ip }, host)).collect(),
            held: BTreeMap::new(),
            kept: BTreeMap::new(),
            foreign: BTreeMap::new(),
            given: BTreeMap::new(),
            next: BTreeMap::new(),
            fabric: fabric.clone(),
        };
        let replaced = deployment::replaced(context.stack, context.beside);
        let hosts: BTreeMap<Ipv4Addr, &str> =
            context.fleet.hosts.iter().map(|(name, host)| (host.address, name.as_str())).collect();
        for (host, state) in context.held {
            ledger.held.extend(held_by(state).map(|(_, address, end, _)| (address, (host.clone(), end.epoch))));
        }
        // If two incarnations of an instance have different addresses, the next one keeps that of the newest.
        for state in context.held.values() {
            let running: BTreeMap<&InstanceName, u64> = state.running().map(|it| (&it.name, it.incarnation)).collect();
            let newest = held_by(state).filter(|(it, ..)| running.get(&it.name) == Some(&it.incarnation));
            for (Instance { name, .. }, address, ..) in newest {
                let holder = fabric.endpoints.get(&address).map(|endpoint| &endpoint.holder);
                let network = context.fleet.networks.get(&address.network);
                let is_own = matches!(holder, Some(Holder::Instance(owner)) if owner == name);
                if is_own && network.is_some_and(|network| network.auto.contains(&address.ip)) {
                    ledger.kept.entry((name.clone(), address.network)).or_insert(address.ip);
                }
            }
        }
        for (address, Endpoint { host, holder, .. }) in &fabric.endpoints {
            let Holder::Instance(owner) = holder else { continue };
            if !replaced.contains(owner.stack.as_str()) {
                let host = hosts.get(host).map_or_else(|| host.to_string(), |name| (*name).to_owned());
                ledger.foreign.insert(address.clone(), format!("{owner} on {host}"));
            }
            let network = context.fleet.networks.get(&address.network);
            if network.is_some_and(|network| network.auto.contains(&address.ip)) {
                ledger.kept.entry((owner.clone(), address.network.clone())).or_insert(address.ip);
            }
        }
        for (name, instance) in context.beside.iter().flat_map(|deployment| &deployment.instances) {
            for attachment in &instance.container.networks {
                let Some(ip) = attachment.address else { continue };
                let address = Address { network: attachment.network.clone(), ip };
                ledger.foreign.insert(address, format!("{name} on {}", instance.host));
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
        let key = Address { network: network.clone(), ip: address };
        if let Some(host) = self.gateways.get(&key) {
            return Err(format!(
                "{address} is the gateway of host {host} on {network} (gateways = {gateways}, {written})"
            ));
        }
        if gateways.contains(&address) {
            return Err(format!("{address} is in {network}'s range for gateways, {gateways} ({written})"));
        }
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
        self.kept.get(&request.key()).copied()
    }

    /// Whether an automatic address is now used as a written address or a gateway.
    fn is_written(&self, request: &AddressRequest, ip: Ipv4Addr) -> bool {
        let key = Address { network: request.network.clone(), ip };
        let network = &self.context.fleet.networks[&request.network];
        self.given.contains_key(&key) || self.foreign.contains_key(&key) || network.gateways.contains(&ip)
    }

    /// Returns the lowest automatic address that no instance has, including instances that will be removed.
    fn free(&mut self, request: &AddressRequest) -> Option<Ipv4Addr> {
        let network = &self.context.fleet.networks[&request.network];
        let from = self.next.get(&request.network).copied().unwrap_or(network.auto.network());
        let free = usable_from(network, network.auto, from).find(|ip| {
            let key = Address { network: request.network.clone(), ip: *ip };
            let was_held = || self.fabric.endpoints.get(&key).is_some_and(Endpoint::is_held);
            !network.gateways.contains(ip)
                && !self.given.contains_key(&key)
                && !self.foreign.contains_key(&key)
                && !was_held()
        });
        self.next.insert(request.network.clone(), free.unwrap_or(network.auto.broadcast()));
        free
    }

    fn give(&mut self, request: &AddressRequest, ip: Ipv4Addr) -> AssignedAddress {
        let key = Address { network: request.network.clone(), ip };
        let host = self.context.fleet.hosts[&request.host].address;
        let known = self.fabric.endpoints.get(&key);
        let epoch = match (self.held.get(&key), known) {
            // The host has the address already, although its LAN address may be another one now.
            (Some((on, epoch)), Some(known)) if *on == request.host && *epoch == known.epoch => *epoch,
            _ => self.fabric.epoch_at(&key, host),
        };
        self.given.entry(key).or_insert_with(|| (request.instance.clone(), None));
        AssignedAddress { address: ip, epoch }
    }
}

/// Returns the addresses of a range without the first and last ones of the range and of the subnet.
fn usable(network: &FleetNetwork, range: ipnet::Ipv4Net) -> impl Iterator<Item = Ipv4Addr> {
    usable_from(network, range, range.network())
}

/// Returns the usable addresses of a range that are not below this one.
fn usable_from(network: &FleetNetwork, range: ipnet::Ipv4Net, from: Ipv4Addr) -> impl Iterator<Item = Ipv4Addr> {
    let ends = [range.network(), range.broadcast(), network.subnet.network(), network.subnet.broadcast()];
    // A range of one or two addresses has no ends to leave out.
    let ends = if range.prefix_len() > 30 { [ends[2], ends[3], ends[2], ends[3]] } else { ends };
    let all = u32::from(from.max(range.network()))..=u32::from(range.broadcast());
    all.map(Ipv4Addr::from).filter(move |address| !ends.contains(address))
}
