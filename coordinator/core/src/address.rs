//! Who may hold which address of a fleet network: one ledger of written, automatic and gateway addresses.
//!
//! Written addresses are honoured or refused with both owners named; automatic ones stay what they were. The MAC is
//! `02:1f:<epoch>:<low 16 bits of the address>`: the epoch grows when an address goes to another host, so no entry about
//! the old place can match the new one.
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use landfast_agreement::Mac;

use crate::deployment::{Deployment, InstanceName};
use crate::findings::Findings;
use crate::fleet::{Fleet, FleetNetwork};
use crate::host_state::HostState;
use landfast_compose::Location;

/// By network and host: the address of the bridge there. Those held stay; others are the lowest free ones.
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

/// An instance that is to have an address on a fleet network.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) instance: InstanceName,
    pub(crate) network: String,
    pub(crate) host: String,
    /// As written in the compose file, and the dotted path of the key.
    pub(crate) written: Option<(String, String)>,
}

/// What it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) address: Ipv4Addr,
    pub(crate) mac: String,
}

/// By instance and network.
pub(crate) type Grants = BTreeMap<(InstanceName, String), Grant>;

/// Who else is there.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) stack: &'a str,
    pub(crate) held: &'a BTreeMap<String, HostState>,
    pub(crate) beside: &'a [Deployment],
}

/// Grants every claim, or says why not.
pub(crate) fn grant(around: Surroundings<'_>, claims: &[Claim], findings: &mut Findings<'_>) -> Grants {
    let mut ledger = Ledger::new(around);
    let mut grants = Grants::new();
    for claim in claims {
        let Some((text, path)) = &claim.written else { continue };
        match ledger.check(claim, text, findings.locate(path)) {
            Ok(address) => grants.extend([(claim.key(), ledger.give(claim, address))]),
            Err(message) => {
                findings.refuse(path.clone(), message);
            }
        }
    }
    let (keeping, new): (Vec<_>, Vec<_>) = claims
        .iter()
        .filter(|claim| claim.written.is_none())
        .map(|claim| (claim, ledger.kept(claim)))
        .partition(|(_, kept)| kept.is_some());
    for (claim, address) in keeping.into_iter().chain(new) {
        match address.filter(|address| !ledger.is_written(claim, *address)).or_else(|| ledger.free(claim)) {
            Some(address) => grants.extend([(claim.key(), ledger.give(claim, address))]),
            None => {
                let path = format!("services.{}.networks", claim.instance.service);
                findings.refuse(path, format!("no address is left in the automatic range of {}", claim.network));
            }
        }
    }
    grants
}

impl Claim {
    fn key(&self) -> (InstanceName, String) {
        (self.instance.clone(), self.network.clone())
    }
}

/// An address that somebody has: who, on which host, with which MAC.
struct Holding {
    owner: InstanceName,
    host: String,
    mac: String,
}

struct Ledger<'a> {
    around: Surroundings<'a>,
    gateways: BTreeMap<(String, String), Ipv4Addr>,
    /// What was held when the run began.
    before: BTreeMap<(String, Ipv4Addr), Holding>,
    /// Of other stacks: nobody else's, whatever is written.
    foreign: BTreeMap<(String, Ipv4Addr), String>,
    /// Given in this run: to whom, and where it is written.
    given: BTreeMap<(String, Ipv4Addr), (InstanceName, Option<Location>)>,
}

impl<'a> Ledger<'a> {
    fn new(around: Surroundings<'a>) -> Self {
        let mut ledger = Self {
            around,
            gateways: gateways(around.fleet, around.held),
            before: BTreeMap::new(),
            foreign: BTreeMap::new(),
            given: BTreeMap::new(),
        };
        let replaced = |stack: &str| stack == around.stack || around.beside.iter().any(|other| other.stack == stack);
        for (host, state) in around.held {
            for instance in &state.instances {
                for attachment in &instance.container.networks {
                    let Ok(address) = attachment.address.parse() else { continue };
                    let key = (attachment.network.clone(), address);
                    if !replaced(&instance.name.stack) {
                        ledger.foreign.insert(key.clone(), format!("{} on {host}", instance.name));
                    }
                    let holding =
                        Holding { owner: instance.name.clone(), host: host.clone(), mac: attachment.mac.clone() };
                    ledger.before.insert(key, holding);
                }
            }
        }
        for (name, instance) in around.beside.iter().flat_map(|deployment| &deployment.instances) {
            for attachment in &instance.container.networks {
                let Ok(address) = attachment.address.parse() else { continue };
                ledger.foreign.insert((attachment.network.clone(), address), format!("{name} on {}", instance.host));
            }
        }
        ledger
    }

    /// Whether a written address can be had, and if not, why.
    fn check(&mut self, claim: &Claim, text: &str, location: Option<Location>) -> Result<Ipv4Addr, String> {
        let fleet_network = &self.around.fleet.networks[&claim.network];
        let address: Ipv4Addr = text.parse().map_err(|_| format!("{text:?} is not an IPv4 address"))?;
        let network = &claim.network;
        let FleetNetwork { subnet, gateways, location: written, .. } = fleet_network;
        if !subnet.contains(&address) {
            return Err(format!("{address} is outside {network}'s subnet {subnet} ({written})"));
        }
        if address == subnet.network() || address == subnet.broadcast() {
            return Err(format!("{address} is the first or last address of {network}'s subnet {subnet}: nobody's"));
        }
        let is_gateway =
            |((name, _), gateway): &(&(String, String), &Ipv4Addr)| name == network && **gateway == address;
        if let Some(((_, host), _)) = self.gateways.iter().find(is_gateway) {
            return Err(format!(
                "{address} is the gateway of host {host} on {network} (gateways = {gateways}, {written})"
            ));
        }
        if gateways.contains(&address) {
            return Err(format!("{address} lies in {network}'s range for gateways, {gateways} ({written})"));
        }
        let key = (network.clone(), address);
        if let Some(owner) = self.foreign.get(&key) {
            return Err(format!("{address} on {network} is held by {owner}"));
        }
        if let Some((owner, elsewhere)) = self.given.get(&key) {
            let place = elsewhere.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
            return Err(format!("{address} on {network} is {owner}'s too{place}"));
        }
        self.given.insert(key, (claim.instance.clone(), location));
        Ok(address)
    }

    /// The automatic address that the instance has already.
    fn kept(&self, claim: &Claim) -> Option<Ipv4Addr> {
        let network = &self.around.fleet.networks[&claim.network];
        let is_its = |((name, address), holding): &(&(String, Ipv4Addr), &Holding)| {
            *name == claim.network && holding.owner == claim.instance && network.auto.contains(address)
        };
        self.before.iter().find(is_its).map(|((_, address), _)| *address)
    }

    /// Whether an automatic address has been written by somebody meanwhile.
    fn is_written(&self, claim: &Claim, address: Ipv4Addr) -> bool {
        let key = (claim.network.clone(), address);
        let network = &self.around.fleet.networks[&claim.network];
        self.given.contains_key(&key) || self.foreign.contains_key(&key) || network.gateways.contains(&address)
    }

    /// The lowest automatic address that nobody has, not even somebody who is about to go.
    fn free(&self, claim: &Claim) -> Option<Ipv4Addr> {
        let network = &self.around.fleet.networks[&claim.network];
        usable(network, network.auto).filter(|address| !network.gateways.contains(address)).find(|address| {
            let key = (claim.network.clone(), *address);
            !self.given.contains_key(&key) && !self.foreign.contains_key(&key) && !self.before.contains_key(&key)
        })
    }

    fn give(&mut self, claim: &Claim, address: Ipv4Addr) -> Grant {
        let key = (claim.network.clone(), address);
        self.given.entry(key.clone()).or_insert_with(|| (claim.instance.clone(), None));
        let epoch = match self.before.get(&key) {
            Some(holding) if holding.host == claim.host => epoch_of(&holding.mac).unwrap_or(1),
            Some(holding) => epoch_of(&holding.mac).map_or(1, |epoch| epoch.checked_add(1).unwrap_or(1)),
            None => 1,
        };
        Grant { address, mac: Mac::of(epoch, address).to_string() }
    }
}

/// Addresses of a range but for the first and last of range and subnet.
fn usable(network: &FleetNetwork, range: ipnet::Ipv4Net) -> impl Iterator<Item = Ipv4Addr> {
    let (first, last) = (network.subnet.network(), network.subnet.broadcast());
    range.hosts().filter(move |address| *address != first && *address != last)
}

/// The epoch in the MAC of an address on a fleet network.
fn epoch_of(mac: &str) -> Option<u16> {
    mac.parse::<Mac>().ok()?.epoch()
}
