//! Conflicts between the desired state and what the hosts have: networks and volumes that exist with other options (F34), and
//! ports that are in use (F49). They are found before anything is changed.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::container::{Port, Source};
use crate::desired::{HostState, Instance, Network, NetworkSpec, Pool, Volume};
use crate::ports::is_any;

/// Networks, volumes and ports that a host has, whoever created them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Networks of the engine.
    pub networks: Vec<EngineNetwork>,
    /// Volumes of the engine.
    pub volumes: Vec<EngineVolume>,
    /// Ports that are in use.
    pub ports: Vec<UsedPort>,
}

/// A network that the engine has: `landfast.v1.EngineNetwork`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineNetwork {
    /// Name of the network.
    pub name: String,
    /// Driver of the network.
    pub driver: String,
    /// Subnets of the network.
    pub subnets: Vec<String>,
    /// Gateways of the subnets.
    pub gateways: Vec<String>,
    /// Whether the network has no route to the outside.
    pub internal: bool,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Whether Landfast created the network for this fleet.
    pub managed: bool,
    /// Names of the containers that are attached to it.
    pub containers: Vec<String>,
    /// Compose project that created the network; empty if none did.
    pub project: String,
}

/// A volume that the engine has: `landfast.v1.EngineVolume`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineVolume {
    /// Name of the volume.
    pub name: String,
    /// Driver of the volume.
    pub driver: String,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Whether Landfast created the volume for this fleet.
    pub managed: bool,
}

/// A port that is in use: `landfast.v1.UsedPort`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsedPort {
    /// Address that the port is bound to; `0.0.0.0` for all.
    pub address: String,
    /// Number of the port.
    pub port: u32,
    /// Protocol: `tcp` or `udp`.
    pub protocol: String,
    /// Owner of the port, as in `container web` or `a process on the host`.
    pub owner: String,
    /// Instance of the fleet that uses the port, as in `data/postgres.1`; empty for any other owner.
    pub instance: String,
}

/// Something on a host that prevents the deployment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// Name of the host.
    pub host: String,
    /// What the conflict is and what to do about it.
    pub message: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.host, self.message)
    }
}

/// Finds all conflicts between the hosts and the desired host states.
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
            .chain(missing_external_networks(target, found))
            .chain(volumes(target, found))
            .chain(missing_external_volumes(target, found))
            .chain(ports(current, target, found));
        conflicts.extend(messages.map(|message| Conflict { host: host.clone(), message }));
    }
    conflicts.into_iter().collect()
}

/// Desired networks that exist with other options or overlap others.
fn networks(current: &HostState, target: &HostState, found: &Found) -> Vec<String> {
    let mut messages = Vec::new();
    for network in &target.networks {
        let name = &network.name;
        let there = found.networks.iter().find(|there| there.name == *name);
        let held = current.networks.iter().find(|held| held.name == *name);
        let message = match (there, held) {
            (None, None) => overlap(network, current, found),
            (Some(there), _) if !there.managed => unmanaged_network(network, there),
            (there, held) => {
                let mut differences = there.map(|there| differences(network, there)).unwrap_or_default();
                differences.extend(held.into_iter().flat_map(|held| changes(network, held)));
                changed_network(network, &differences)
            }
        };
        messages.extend(message);
    }
    messages
}

/// A property of a network or a volume that differs from its declaration.
struct Difference {
    what: String,
    there: String,
    wanted: String,
}

impl Difference {
    fn new(what: impl Into<String>, there: impl Into<String>, wanted: impl Into<String>) -> Self {
        Self { what: what.into(), there: there.into(), wanted: wanted.into() }
    }

    /// Text as in `subnet 10.0.0.0/8 instead of 172.19.0.0/16`.
    fn instead(&self) -> String {
        format!("{} {} instead of {}", self.what, self.there, self.wanted)
    }

    /// Text as in `internal is false and should be true`.
    fn should(&self) -> String {
        format!("{} is {} and should be {}", self.what, self.there, self.wanted)
    }
}

fn list(differences: &[Difference], as_text: fn(&Difference) -> String) -> String {
    differences.iter().map(as_text).collect::<Vec<_>>().join(", ")
}

/// Conflict with a network that Landfast did not create. An identical network can be used, unless it must span hosts.
fn unmanaged_network(wanted: &Network, there: &EngineNetwork) -> Option<String> {
    let differences = differences(wanted, there);
    let problem = match (differences.is_empty(), &wanted.overlay) {
        (false, _) => list(&differences, Difference::instead),
        (true, Some(_)) => "only a network that Landfast creates can span hosts".to_owned(),
        (true, None) => return None,
    };
    let name = &wanted.name;
    Some(format!(
        "the network {name} exists and was not created by Landfast: {problem}; nothing was changed: remove it ({}) or \
         change landfast.toml",
        removal(there, None)
    ))
}

/// Conflict with a network that Landfast created from another declaration. It cannot change while containers use it.
fn changed_network(wanted: &Network, differences: &[Difference]) -> Option<String> {
    let solution = if wanted.stack.is_empty() {
        "run `landfast down` for the stacks that use it first".to_owned()
    } else {
        let stack = &wanted.stack;
        format!("run `landfast down {stack}` and `landfast up {stack}` to recreate it")
    };
    let problem = list(differences, Difference::should);
    (!differences.is_empty())
        .then(|| format!("the network {} differs from its declaration: {problem}; {solution}", wanted.name))
}

/// Differences between a network of the engine and the desired one.
fn differences(wanted: &Network, there: &EngineNetwork) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, wanted: &str, there: String| {
        if !wanted.is_empty() && wanted != there {
            differences.push(Difference::new(what, there, wanted));
        }
    };
    let text = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(" and ") };
    let wanted = &wanted.spec;
    compare("driver", if wanted.driver.is_empty() { "bridge" } else { &wanted.driver }, there.driver.clone());
    for subnet in wanted.subnets().map(|it| it.to_string()).filter(|subnet| !there.subnets.contains(subnet)) {
        compare("subnet", &subnet, text(&there.subnets));
    }
    for gateway in wanted.gateways().map(|it| it.to_string()).filter(|gateway| !there.gateways.contains(gateway)) {
        compare("gateway", &gateway, text(&there.gateways));
    }
    if wanted.internal != there.internal {
        differences.push(Difference::new("internal", there.internal.to_string(), wanted.internal.to_string()));
    }
    differences.extend(wanted.options.iter().filter_map(|(key, value)| {
        let found = there.options.get(key);
        (found != Some(value))
            .then(|| Difference::new(format!("option {key}"), found.map_or("not set", |it| it), value))
    }));
    differences
}

/// Differences between the old and the new declaration of a network, for properties that the engine does not report.
fn changes(wanted: &Network, held: &Network) -> Vec<Difference> {
    let optional = |value: Option<bool>| value.map_or("not set".to_owned(), |value| value.to_string());
    let text = |value: &str| if value.is_empty() { "not set".to_owned() } else { value.to_owned() };
    let (wanted, held) = (&wanted.spec, &held.spec);
    let pools = |network: &NetworkSpec| match network.pools.len() {
        0 => network.subnet.map_or("not set".to_owned(), |subnet| subnet.to_string()),
        _ => network.pools.iter().map(pool).collect::<Vec<_>>().join(" and "),
    };
    let mut changes = vec![
        Difference::new("attachable", held.attachable.to_string(), wanted.attachable.to_string()),
        Difference::new("enable_ipv6", held.ipv6.to_string(), wanted.ipv6.to_string()),
        Difference::new("enable_ipv4", optional(held.ipv4), optional(wanted.ipv4)),
        Difference::new("ipam", pools(held), pools(wanted)),
        Difference::new("ipam driver", text(&held.ipam_driver), text(&wanted.ipam_driver)),
        Difference::new("ipam options", format!("{:?}", held.ipam_options), format!("{:?}", wanted.ipam_options)),
    ];
    let dropped = held.options.iter().filter(|(key, _)| !wanted.options.contains_key(*key));
    changes.extend(dropped.map(|(key, value)| Difference::new(format!("option {key}"), value, "not set")));
    changes.retain(|change| change.there != change.wanted);
    changes
}

fn pool(pool: &Pool) -> String {
    let taken = pool.aux_addresses.iter().map(|(name, address)| format!("{name}={address}"));
    let nets = [pool.subnet, pool.ip_range].into_iter().flatten().map(|net| net.to_string());
    let parts = nets.chain(pool.gateway.map(|gateway| gateway.to_string())).chain(taken);
    parts.collect::<Vec<_>>().join(" ")
}

/// Conflict with a network whose subnet overlaps. The engine would refuse to create the new one.
fn overlap(wanted: &Network, current: &HostState, found: &Found) -> Option<String> {
    let parse = |text: &str| text.parse::<ipnet::IpNet>().ok();
    for subnet in wanted.spec.subnets() {
        let meets = |other: ipnet::IpNet| other.contains(&subnet) || subnet.contains(&other);
        let is_met = |other: &&EngineNetwork| other.subnets.iter().filter_map(|text| parse(text)).any(meets);
        let Some(other) = found.networks.iter().find(is_met) else { continue };
        let stack = current.networks.iter().find(|held| held.name == other.name).map(|held| held.stack.as_str());
        return Some(format!(
            "the network {} cannot be created: its subnet {subnet} overlaps {} of the network {}{}; remove that one ({}) or \
             choose another subnet",
            wanted.name,
            other.subnets.join(", "),
            other.name,
            attached_containers(other),
            removal(other, stack)
        ));
    }
    None
}

fn attached_containers(network: &EngineNetwork) -> String {
    match network.containers.as_slice() {
        [] => ", which has no containers".to_owned(),
        containers => format!(", which has the containers {}", containers.join(", ")),
    }
}

/// The command that removes a network, depending on who created it.
fn removal(network: &EngineNetwork, stack: Option<&str>) -> String {
    let name = &network.name;
    match (stack.filter(|stack| !stack.is_empty()), network.project.as_str(), network.containers.as_slice()) {
        (Some(stack), ..) => format!("landfast down {stack}"),
        (None, "", []) => format!("docker network rm {name}"),
        (None, "", containers) => {
            format!("docker stop {0} && docker rm {0} && docker network rm {name}", containers.join(" "))
        }
        (None, project, _) => format!("docker compose -p {project} down"),
    }
}

/// Volumes that exist with another driver or other options than declared. They hold data, so they are never changed.
fn volumes(target: &HostState, found: &Found) -> Vec<String> {
    let mut messages = Vec::new();
    for volume in target.volumes.iter().filter(|volume| !volume.remove) {
        let Some(there) = found.volumes.iter().find(|there| there.name == volume.name) else { continue };
        // The user created it, and the compose file declares no properties.
        if !there.managed && volume.driver.is_empty() && volume.options.is_empty() {
            continue;
        }
        let problem = list(&volume_differences(volume, there), Difference::should);
        if !problem.is_empty() {
            // `docker volume rm` does not help here: Landfast would create the volume again as it was.
            let delete = match there.managed {
                true => format!("delete it and its data with `landfast down {} --volumes`", volume.stack),
                false => {
                    format!("delete the data with `docker volume rm {}` after its containers are removed", volume.name)
                }
            };
            messages.push(format!(
                "the volume {} differs from its declaration: {problem}; it was not changed because it may hold data: correct \
                 the declaration, choose another name, or {delete}",
                volume.name
            ));
        }
    }
    messages
}

fn volume_differences(wanted: &Volume, there: &EngineVolume) -> Vec<Difference> {
    let mut differences = Vec::new();
    let driver = if wanted.driver.is_empty() { "local" } else { &wanted.driver };
    if !there.driver.is_empty() && there.driver != driver {
        differences.push(Difference::new("driver", &there.driver, driver));
    }
    let keys: BTreeSet<&String> = wanted.options.keys().chain(there.options.keys()).collect();
    for key in keys {
        let [has, should] =
            [&there.options, &wanted.options].map(|options| options.get(key).map_or("not set", |it| it));
        if has != should {
            differences.push(Difference::new(format!("option {key}"), has, should));
        }
    }
    differences
}

/// External volumes that do not exist. The engine would create empty ones instead.
fn missing_external_volumes(target: &HostState, found: &Found) -> Vec<String> {
    let mut messages = Vec::new();
    for instance in &target.instances {
        for mount in &instance.container.mounts {
            let Source::Volume(name) = &mount.source else { continue };
            let ours = target.volumes.iter().any(|volume| volume.name == *name);
            let there = found.volumes.iter().any(|volume| volume.name == *name);
            // A host without networks has not been asked, so its volumes are unknown as well.
            if !ours && !there && !name.is_empty() && !found.networks.is_empty() {
                messages.push(format!(
                    "{} mounts the volume {name}, which is external and does not exist: run `docker volume create {name}`, \
                     or remove `external`",
                    instance.name
                ));
            }
        }
    }
    messages
}

/// External networks that do not exist.
fn missing_external_networks(target: &HostState, found: &Found) -> Vec<String> {
    let mut messages = Vec::new();
    for instance in &target.instances {
        for end in &instance.container.networks {
            let ours = target.networks.iter().any(|network| network.name == end.network);
            let there = found.networks.iter().any(|network| network.name == end.network);
            // A host without networks has not been asked.
            if !ours && !there && end.network != "bridge" && !found.networks.is_empty() {
                let (name, network) = (&instance.name, &end.network);
                messages.push(format!(
                    "{name} uses the network {network}, which is external and does not exist: create it, or add it to \
                     landfast.toml"
                ));
            }
        }
    }
    messages
}

/// Ports that are in use and stay in use.
fn ports(current: &HostState, target: &HostState, found: &Found) -> Vec<String> {
    let mut messages = Vec::new();
    for instance in &target.instances {
        for port in &instance.container.ports {
            let holder =
                found.ports.iter().find(|used| is_taken(port, used) && still_holds(current, target, instance, used));
            if let Some(used) = holder {
                let owner = if used.instance.is_empty() { &used.owner } else { &used.instance };
                messages.push(format!(
                    "port {}:{}/{} that {} publishes is in use by {owner}: stop it, or publish another port",
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

/// Whether the owner of a port keeps it. An instance of the fleet keeps it only if its new container publishes it too.
fn still_holds(current: &HostState, target: &HostState, taker: &Instance, used: &UsedPort) -> bool {
    let is_it = |instance: &&Instance| instance.name.to_string() == used.instance;
    if used.instance.is_empty() {
        // The engine may report a container of the fleet only by its name.
        let ours = current.instances.iter().map(|instance| &instance.container.name);
        let mut ours = ours.chain([&taker.container.name]);
        return !ours.any(|name| used.owner == format!("container {name}"));
    }
    let Some(holder) = target.instances.iter().find(is_it).filter(|holder| holder.name != taker.name) else {
        return false;
    };
    holder.container.ports.iter().any(|port| is_taken(port, used))
}
