//! Networks of containers: fleet networks, which span hosts, and networks of the stack, which do not.
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

use super::Input;
use super::container_input::ContainerInput;
use crate::container::Attachment;
use crate::deployment::{Instance, InstanceName, Network, replaced};
use crate::desired;
use crate::findings::Findings;
use crate::network::{NetworkSpec, Pool};
use landfast_compose::cases;
use landfast_compose::model;

/// Returns the name of the fleet network that a network of the project refers to.
pub(super) fn fleet_network<'a>(input: Input<'a>, key: &str) -> Option<&'a str> {
    let name = input.project.networks.get(key).map_or(key, |network| &network.name);
    input.fleet.network_of(name, key).map(|(name, _)| name)
}

/// Returns the attachments of the container in the order of connection. `links` are its links by network.
pub(super) fn attachments(
    input: ContainerInput<'_>,
    links: &BTreeMap<String, Vec<String>>,
    findings: &mut Findings<'_>,
) -> Vec<Attachment> {
    let service = input.service();
    if service.network_mode.as_deref() == Some("bridge") {
        return vec![Attachment { network: "bridge".to_owned(), ..Attachment::default() }];
    }
    let attach = |(key, written): (&str, &model::Attachment)| {
        let mut aliases = vec![input.name.service.clone()];
        aliases.extend(written.aliases.iter().filter(|alias| **alias != input.name.service).cloned());
        let attachment = Attachment {
            aliases,
            link_local_ips: written.link_local_ips.clone(),
            address6: written.ipv6_address.clone().unwrap_or_default(),
            driver_options: driver_options(written),
            links: links.get(key).cloned().unwrap_or_default(),
            gateway_priority: written.gw_priority,
            ..Attachment::default()
        };
        if let Some(network) = fleet_network(input.compile, key) {
            // Without an assigned address the deployment was refused, so this attachment is not used.
            let assigned = input.addresses.get(&(input.name.clone(), network.to_owned()));
            let address = assigned.map(|assigned| assigned.address);
            let mac = assigned.map(|assigned| assigned.mac().to_string()).unwrap_or_default();
            let epoch = assigned.map_or(0, |assigned| assigned.epoch);
            return Attachment { network: network.to_owned(), address, mac, epoch, ..attachment };
        }
        let network =
            input.compile.project.networks.get(key).map_or_else(|| key.to_owned(), |network| network.name.clone());
        let path = input.path(&format!("networks.{key}.ipv4_address"));
        let address = parsed(&written.ipv4_address, "an IPv4 address", &path, findings);
        Attachment { network, address, mac: written.mac_address.clone().unwrap_or_default(), ..attachment }
    };
    let mut attachments: Vec<Attachment> = service.networks_by_priority().into_iter().map(attach).collect();
    if let (Some(mac), Some(first)) = (&service.mac_address, attachments.first_mut())
        && first.mac.is_empty()
    {
        first.mac.clone_from(mac);
    }
    attachments
}

/// Returns the driver options, which include the interface name.
fn driver_options(written: &model::Attachment) -> BTreeMap<String, String> {
    let name =
        written.interface_name.iter().map(|name| ("com.docker.network.endpoint.ifname".to_owned(), name.clone()));
    written.driver_opts.clone().into_iter().chain(name).collect()
}

/// Returns the DNS servers of the file, or else, on a fleet network, the agent, which resolves the names of the whole fleet.
pub(super) fn dns(input: ContainerInput<'_>) -> Vec<String> {
    let service = input.service();
    if !service.dns.is_empty() {
        return service.dns.clone();
    }
    let networks = service.networks_by_priority().into_iter().filter_map(|(key, _)| fleet_network(input.compile, key));
    let gateway = |network: &str| input.gateways.get(&(network.to_owned(), input.place.host.clone()));
    networks.filter_map(gateway).map(ToString::to_string).take(1).collect()
}

/// Returns the networks of the stack that have instances, by key.
pub(super) fn stack_networks(
    input: Input<'_>,
    instances: &BTreeMap<InstanceName, Instance>,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, Network> {
    let mut networks = BTreeMap::new();
    for (key, network) in &input.project.networks {
        let hosts = hosts_on(&network.name, instances);
        if let Some((name, fleet_network)) = input.fleet.network_of(&network.name, key) {
            check_fleet_network(key, network, name, fleet_network, findings);
            continue;
        }
        if network.external || hosts.is_empty() {
            continue;
        }
        if hosts.len() > 1 {
            let hosts: Vec<_> = hosts.into_iter().collect();
            let message = format!(
                "{key} is on {}, but a network of a stack does not span hosts: containers on one host cannot reach those on the others",
                hosts.join(", ")
            );
            let hint = "place its services on one host, or use a fleet network from landfast.toml";
            findings.warn(format!("networks.{key}"), message).hint = Some(hint.to_owned());
        }
        let made = stack_network(input, key, network, findings);
        check_shared(input, key, &made, &hosts_on(&network.name, instances), findings);
        networks.insert(key.clone(), made);
    }
    networks
}

/// Refuses networks of two stacks with the same name on one host, unless both stacks declare them in the same way.
fn check_shared(input: Input<'_>, key: &str, network: &Network, hosts: &BTreeSet<&str>, findings: &mut Findings<'_>) {
    let ours = desired::stack_network("", "", network);
    for (stack, theirs) in others(input, &network.name, hosts) {
        let (name, own) = (&network.name, input.stack);
        let differences = differences((own, &ours), (&stack, &theirs));
        if differences.is_empty() {
            let message =
                format!("{name} is also a network of the stack {stack}, so containers of both stacks share it");
            findings.warn(format!("networks.{key}"), message);
        } else {
            let differences = differences.join("; ");
            let message =
                format!("{name} is also a network of the stack {stack}, which declares it differently: {differences}");
            let hint = "declare it in the same way in both, use `external: true` in one of them, or rename one";
            findings.refuse(format!("networks.{key}"), message).hint = Some(hint.to_owned());
        }
    }
}

/// The keys that two stacks declare differently, each with both values. Labels do not matter.
fn differences(
    (ours_of, ours): (&str, &desired::Network),
    (theirs_of, theirs): (&str, &desired::Network),
) -> Vec<String> {
    let (ours, theirs) = (settings(ours), settings(theirs));
    let keys: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let value = |settings: &BTreeMap<String, String>, key: &String| match settings.get(key) {
        Some(value) => value.clone(),
        None => "not set".to_owned(),
    };
    let changed = keys.into_iter().filter(|key| ours.get(*key) != theirs.get(*key));
    changed
        .map(|key| format!("{key} is {} in {ours_of} and {} in {theirs_of}", value(&ours, key), value(&theirs, key)))
        .collect()
}

/// What a declaration of a network sets, by the key of the Compose file.
fn settings(network: &desired::Network) -> BTreeMap<String, String> {
    let NetworkSpec { driver, subnet, gateway, internal, attachable, ipv6, ipv4, options, .. } = &network.spec;
    let driver = if driver.is_empty() { "bridge" } else { driver };
    let plain = Pool { subnet: *subnet, gateway: *gateway, ..Pool::default() };
    let pools = if network.spec.pools.is_empty() { std::slice::from_ref(&plain) } else { &network.spec.pools };
    let pools: Vec<String> = pools.iter().map(pool_text).filter(|text| !text.is_empty()).collect();
    let written = [
        ("driver", driver.to_owned()),
        ("internal", internal.to_string()),
        ("attachable", attachable.to_string()),
        ("enable_ipv6", ipv6.to_string()),
        ("enable_ipv4", ipv4.map(|value| value.to_string()).unwrap_or_default()),
        ("ipam.config", pools.join(" and ")),
        ("ipam.driver", network.spec.ipam_driver.clone()),
    ];
    let of_map = |prefix: &'static str, map: &BTreeMap<String, String>| {
        let entries = map.iter().map(move |(key, value)| (format!("{prefix}.{key}"), format!("{value:?}")));
        entries.collect::<Vec<_>>()
    };
    let written = written.into_iter().filter(|(_, value)| !value.is_empty());
    let written = written.map(|(key, value)| (key.to_owned(), value));
    written.chain(of_map("driver_opts", options)).chain(of_map("ipam.options", &network.spec.ipam_options)).collect()
}

fn pool_text(pool: &Pool) -> String {
    let part = |key: &str, value: Option<String>| value.map(|value| format!("{key} {value}"));
    let net = |net: Option<IpNet>| net.map(|net| net.to_string());
    let gateway = pool.gateway.map(|gateway| gateway.to_string());
    let parts = [part("subnet", net(pool.subnet)), part("ip_range", net(pool.ip_range)), part("gateway", gateway)];
    let taken = pool.aux_addresses.iter().map(|(name, address)| format!("aux_address {name} {address}"));
    parts.into_iter().flatten().chain(taken).collect::<Vec<_>>().join(", ")
}

/// Returns the networks with this name that other stacks have on these hosts, by stack.
fn others(input: Input<'_>, name: &str, hosts: &BTreeSet<&str>) -> BTreeMap<String, desired::Network> {
    let beside = input.beside.iter().flat_map(|other| other.networks.values().map(move |network| (other, network)));
    let beside =
        beside.filter(|(other, network)| network.name == name && !hosts_on(name, &other.instances).is_disjoint(hosts));
    let beside = beside.map(|(other, network)| (other.stack.clone(), desired::stack_network("", "", network)));
    let replaced = replaced(input.stack, input.beside);
    let held =
        input.held.iter().filter(|(host, _)| hosts.contains(host.as_str())).flat_map(|(_, state)| &state.networks);
    let held = held.filter(|network| {
        network.name == name && network.overlay.is_none() && !replaced.contains(network.stack.as_str())
    });
    held.map(|network| (network.stack.clone(), network.clone())).chain(beside).collect()
}

pub(super) fn hosts_on<'i>(network: &str, instances: &'i BTreeMap<InstanceName, Instance>) -> BTreeSet<&'i str> {
    let is_on = |instance: &&Instance| instance.container.networks.iter().any(|end| end.network == network);
    instances.values().filter(is_on).map(|instance| instance.host.as_str()).collect()
}

fn stack_network(input: Input<'_>, key: &str, network: &model::Network, findings: &mut Findings<'_>) -> Network {
    let path = format!("networks.{key}");
    let driver = network.driver.clone().unwrap_or_default();
    if !matches!(driver.as_str(), "" | "default" | "bridge" | "macvlan" | "ipvlan") {
        findings.case(format!("{path}.driver"), &driver, &cases::DRIVERS);
    }
    for (at, pool) in network.ipam.config.iter().enumerate() {
        let Some(subnet) = pool.subnet.as_ref().and_then(|subnet| subnet.parse::<Ipv4Net>().ok()) else { continue };
        for (name, other) in &input.fleet.networks {
            if other.subnet.contains(&subnet.network()) || subnet.contains(&other.subnet.network()) {
                let message = format!("{subnet} overlaps {} of {name} ({})", other.subnet, other.location);
                findings.refuse(format!("{path}.ipam.config[{at}].subnet"), message);
            }
        }
    }
    let pools = network.ipam.config.iter().enumerate();
    let pools: Vec<Pool> =
        pools.map(|(at, declared)| pool(declared, &format!("{path}.ipam.config[{at}]"), findings)).collect();
    let first = pools.first().cloned().unwrap_or_default();
    let is_plain = pools.len() < 2 && first.ip_range.is_none() && first.aux_addresses.is_empty();
    let spec = NetworkSpec {
        driver: if driver == "default" { String::new() } else { driver },
        subnet: first.subnet,
        gateway: first.gateway,
        internal: network.internal,
        attachable: network.attachable,
        ipv6: network.enable_ipv6.unwrap_or_default(),
        options: network.driver_opts.clone(),
        labels: network.labels.clone(),
        pools: if is_plain { Vec::new() } else { pools },
        ipam_driver: network.ipam.driver.clone().unwrap_or_default(),
        ipam_options: network.ipam.options.clone(),
        ipv4: network.enable_ipv4,
    };
    Network { name: network.name.clone(), spec }
}

/// Reads a pool. The engine would refuse what is not an address or a subnet.
fn pool(pool: &model::IpamPool, path: &str, findings: &mut Findings<'_>) -> Pool {
    Pool {
        subnet: parsed(&pool.subnet, "a subnet, as in 172.20.0.0/16", &format!("{path}.subnet"), findings),
        gateway: parsed(&pool.gateway, "an address", &format!("{path}.gateway"), findings),
        ip_range: parsed(&pool.ip_range, "a subnet, as in 172.20.5.0/24", &format!("{path}.ip_range"), findings),
        aux_addresses: pool.aux_addresses.clone(),
    }
}

fn parsed<T: FromStr>(text: &Option<String>, what: &str, path: &str, findings: &mut Findings<'_>) -> Option<T> {
    let text = text.as_deref().filter(|text| !text.is_empty())?;
    let value = text.parse().ok();
    if value.is_none() {
        findings.refuse(path, format!("{text:?} is not {what}"));
    }
    value
}

/// Refuses a declaration of a fleet network that differs from `landfast.toml`.
fn check_fleet_network(
    key: &str,
    network: &model::Network,
    name: &str,
    fleet_network: &crate::fleet::FleetNetwork,
    findings: &mut Findings<'_>,
) {
    let there = format!("{name} in {}", fleet_network.location);
    if !matches!(network.driver.as_deref(), None | Some("" | "bridge" | "default")) {
        let driver = network.driver.clone().unwrap_or_default();
        let message = format!("the driver is {driver}, but {there} is a bridge network that spans the fleet");
        findings.refuse(format!("networks.{key}.driver"), message);
    }
    for (at, pool) in network.ipam.config.iter().enumerate() {
        let Some(subnet) = &pool.subnet else { continue };
        if subnet.parse::<Ipv4Net>().ok() != Some(fleet_network.subnet) {
            let message = format!("the subnet is {subnet} here and {} for {there}", fleet_network.subnet);
            let hint = "write the same subnet in both files, or external: true here";
            findings.refuse(format!("networks.{key}.ipam.config[{at}].subnet"), message).hint = Some(hint.to_owned());
        }
    }
}
