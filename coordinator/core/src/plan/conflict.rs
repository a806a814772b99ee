//! What on the hosts stands in the way of a target: networks that are there with other options (F34), ports that
//! somebody else holds (F49). Found before anything is touched.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::compile::is_any;
use crate::container::Port;
use crate::desired::{HostState, Instance, Network};

/// What a host has, ours or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Of the engine.
    pub networks: Vec<EngineNetwork>,
    /// Of the engine.
    pub volumes: Vec<EngineVolume>,
    /// That are taken.
    pub ports: Vec<UsedPort>,
}

/// A network the engine has: `landfast.v1.EngineNetwork`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineNetwork {
    /// Its name.
    pub name: String,
    /// Its driver.
    pub driver: String,
    /// Its subnets.
    pub subnets: Vec<String>,
    /// Their gateways.
    pub gateways: Vec<String>,
    /// Without a way out.
    pub internal: bool,
    /// Of the driver.
    pub options: BTreeMap<String, String>,
    /// Made by Landfast for this fleet.
    pub managed: bool,
    /// Names of the containers that are attached to it.
    pub containers: Vec<String>,
    /// The Compose project that made it; empty when none did.
    pub project: String,
}

/// A volume the engine has: `landfast.v1.EngineVolume`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineVolume {
    /// Its name.
    pub name: String,
    /// Its driver.
    pub driver: String,
    /// Of the driver.
    pub options: BTreeMap<String, String>,
    /// Made by Landfast for this fleet.
    pub managed: bool,
}

/// A port that is taken: `landfast.v1.UsedPort`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsedPort {
    /// 0.0.0.0 for all.
    pub address: String,
    /// The port.
    pub port: u32,
    /// tcp or udp.
    pub protocol: String,
    /// `container web`, or `a process on the host`.
    pub owner: String,
    /// Set when the holder is one of the fleet's instances: `data/postgres.1`.
    pub instance: String,
}

/// Something that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// Where.
    pub host: String,
    /// What, and what to do next.
    pub message: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.host, self.message)
    }
}

/// All that stands in the way of the target.
pub fn conflicts(
    current: &BTreeMap<String, HostState>,
    target: &BTreeMap<String, HostState>,
    found: &BTreeMap<String, Found>,
) -> Vec<Conflict> {
    let mut conflicts = BTreeSet::new();
    for (host, target) in target {
        let nothing = (HostState::default(), Found::default());
        let current = current.get(host).unwrap_or(&nothing.0);
        let found = found.get(host).unwrap_or(&nothing.1);
        let messages = networks(current, target, found)
            .into_iter()
            .chain(strange_networks(target, found))
            .chain(ports(current, target, found));
        conflicts.extend(messages.map(|message| Conflict { host: host.clone(), message }));
    }
    conflicts.into_iter().collect()
}

/// Networks that are to be made and are there already, or are there as something else.
fn networks(current: &HostState, target: &HostState, found: &Found) -> Vec<String> {
    let mut messages = Vec::new();
    for network in &target.networks {
        let there = found.networks.iter().find(|there| there.name == network.name);
        let held = current.networks.iter().find(|held| held.name == network.name);
        let differences = match (there, held) {
            (Some(there), _) => differences(network, there),
            (None, Some(held)) => held_differences(network, held),
            (None, None) => overlaps(network, found),
        };
        let name = &network.name;
        let message = match there {
            _ if differences.is_empty() => continue,
            Some(there) if !there.managed => format!(
                "the network {name} is there already, not made by Landfast, with {}; nothing was changed: remove it \
                 (docker network rm {name}) or change landfast.toml",
                differences.join(", ")
            ),
            None if held.is_none() => format!("the network {name} cannot be made: {}", differences.join(", ")),
            _ => format!(
                "the network {name} would have to be made again with {}: take its stacks down first",
                differences.join(", ")
            ),
        };
        messages.push(message);
    }
    messages
}

/// What is there against what is wanted, as `subnet 10.0.0.0/8 instead of 172.19.0.0/16`.
fn differences(wanted: &Network, there: &EngineNetwork) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, wanted: &str, there: String| {
        if !wanted.is_empty() && wanted != there {
            differences.push(format!("{what} {there} instead of {wanted}"));
        }
    };
    let text = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(" and ") };
    compare("driver", if wanted.driver.is_empty() { "bridge" } else { &wanted.driver }, there.driver.clone());
    for subnet in wanted.subnets().filter(|subnet| !there.subnets.iter().any(|it| it == subnet)) {
        compare("subnet", subnet, text(&there.subnets));
    }
    for gateway in wanted.gateways().filter(|gateway| !there.gateways.iter().any(|it| it == gateway)) {
        compare("gateway", gateway, text(&there.gateways));
    }
    if wanted.internal != there.internal {
        differences.push(format!("internal {} instead of {}", there.internal, wanted.internal));
    }
    for (key, value) in &wanted.options {
        if there.options.get(key) != Some(value) {
            let found = there.options.get(key).map_or("nothing", |found| found);
            differences.push(format!("option {key} {found} instead of {value}"));
        }
    }
    if differences.is_empty() && !there.managed && wanted.overlay.is_some() {
        differences.push("the same subnet, but Landfast must make it itself to span hosts".to_owned());
    }
    differences
}

fn held_differences(wanted: &Network, held: &Network) -> Vec<String> {
    let driver = held.driver.clone();
    let there = EngineNetwork {
        name: held.name.clone(),
        driver: if driver.is_empty() { "bridge".to_owned() } else { driver },
        subnets: held.subnets().map(str::to_owned).collect(),
        gateways: held.gateways().map(str::to_owned).collect(),
        internal: held.internal,
        options: held.options.clone(),
        managed: true,
        ..EngineNetwork::default()
    };
    differences(wanted, &there)
}

/// The engine refuses a subnet that meets another network's.
fn overlaps(wanted: &Network, found: &Found) -> Vec<String> {
    let parse = |text: &str| text.parse::<ipnet::IpNet>().ok();
    let mut overlaps = Vec::new();
    for subnet in wanted.subnets().filter_map(parse) {
        let meets = |other: ipnet::IpNet| other.contains(&subnet) || subnet.contains(&other);
        let is_met = |other: &&EngineNetwork| other.subnets.iter().filter_map(|text| parse(text)).any(meets);
        let message = |other: &EngineNetwork| {
            format!("its subnet {subnet} overlaps {} of the network {}", other.subnets.join(", "), other.name)
        };
        overlaps.extend(found.networks.iter().filter(is_met).map(message));
    }
    overlaps
}

/// Networks that somebody else makes must be there.
fn strange_networks(target: &HostState, found: &Found) -> Vec<String> {
    let mut messages = Vec::new();
    for instance in &target.instances {
        for end in &instance.container.networks {
            let ours = target.networks.iter().any(|network| network.name == end.network);
            let there = found.networks.iter().any(|network| network.name == end.network);
            // A host that said nothing about its networks has not been asked.
            if !ours && !there && end.network != "bridge" && !found.networks.is_empty() {
                let (name, network) = (&instance.name, &end.network);
                messages.push(format!(
                    "{name} is on {network}, which is external and not there: make it, or add it to landfast.toml"
                ));
            }
        }
    }
    messages
}

/// Ports that somebody holds who is not about to give them up.
fn ports(current: &HostState, target: &HostState, found: &Found) -> Vec<String> {
    let mut messages = Vec::new();
    for instance in &target.instances {
        for port in &instance.container.ports {
            let holder = found.ports.iter().find(|used| is_taken(port, used) && keeps(current, target, instance, used));
            if let Some(used) = holder {
                let owner = if used.instance.is_empty() { &used.owner } else { &used.instance };
                messages.push(format!(
                    "port {}:{}/{} that {} publishes is taken by {owner}: stop it, or publish another port",
                    port.address, port.published, port.protocol, instance.name
                ));
            }
        }
    }
    messages
}

fn is_taken(port: &Port, used: &UsedPort) -> bool {
    let fixed = port.published != 0 && port.published_end == 0;
    let meet = port.address == used.address || is_any(&port.address) || is_any(&used.address);
    fixed && meet && port.published == used.port && port.protocol == used.protocol
}

/// Whether who holds the port will still have it: a stranger does, an instance only if the target says so.
fn keeps(current: &HostState, target: &HostState, taker: &Instance, used: &UsedPort) -> bool {
    let is_it = |instance: &&Instance| instance.name.to_string() == used.instance;
    if used.instance.is_empty() {
        // The engine may name our own container only as a container.
        let ours = current.instances.iter().map(|instance| &instance.container.name);
        let mut ours = ours.chain([&taker.container.name]);
        return !ours.any(|name| used.owner == format!("container {name}"));
    }
    let Some(holder) = target.instances.iter().find(is_it).filter(|holder| holder.name != taker.name) else {
        return false;
    };
    holder.container.ports.iter().any(|port| is_taken(port, used))
}
