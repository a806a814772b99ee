//! Checks across keys of `landfast.toml`: address ranges must not overlap, and hosts must exist.
use super::{Fleet, FleetNetwork, PlacementRule, StackConfig};
use landfast_compose::Diagnostic;

/// Returns all errors across keys.
pub(super) fn check(fleet: &Fleet) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    for (name, network) in &fleet.networks {
        check_ranges(fleet, name, network, &mut mistakes);
    }
    check_pairs_of_networks(fleet, &mut mistakes);
    check_hosts(fleet, &mut mistakes);
    for (name, stack) in &fleet.stacks {
        check_env(name, stack, &mut mistakes);
        check_places(fleet, name, stack, &mut mistakes);
    }
    mistakes
}

fn check_ranges(fleet: &Fleet, name: &str, network: &FleetNetwork, mistakes: &mut Vec<Diagnostic>) {
    let FleetNetwork { subnet, auto, gateways, mtu, location } = network;
    let mut mistake = |key: &str, message: String| {
        mistakes.push(Diagnostic::at(location, message).key(format!("networks.{name}.{key}")));
    };
    for (key, range) in [("auto", auto), ("gateways", gateways)] {
        if !subnet.contains(range) {
            mistake(key, format!("{key} {range} is not inside the subnet {subnet}"));
        }
    }
    if gateways.contains(auto) {
        mistake("auto", format!("auto {auto} is inside gateways {gateways}: no automatic address is left"));
    }
    // No host can have the first or last address of the subnet.
    let room = gateways.hosts().filter(|address| *address != subnet.broadcast()).count();
    if room < fleet.hosts.len() {
        mistake(
            "gateways",
            format!("gateways {gateways} has room for {room} hosts, the fleet has {}", fleet.hosts.len()),
        );
    }
    if !(576..=65535).contains(mtu) {
        mistake("mtu", format!("an mtu of {mtu} is out of range: 576 to 65535"));
    }
}

fn check_pairs_of_networks(fleet: &Fleet, mistakes: &mut Vec<Diagnostic>) {
    let networks: Vec<_> = fleet.networks.iter().collect();
    for (at, (name, network)) in networks.iter().enumerate() {
        for (other_name, other) in &networks[..at] {
            let (a, b) = (network.subnet, other.subnet);
            if a.contains(&b) || b.contains(&a) {
                let message = format!("the subnet {a} overlaps {b} of {other_name} ({})", other.location);
                mistakes.push(Diagnostic::at(&network.location, message).key(format!("networks.{name}.subnet")));
            }
        }
    }
}

fn check_hosts(fleet: &Fleet, mistakes: &mut Vec<Diagnostic>) {
    let hosts: Vec<_> = fleet.hosts.iter().collect();
    for (at, (name, host)) in hosts.iter().enumerate() {
        let mut mistake = |message: String| {
            mistakes.push(Diagnostic::at(&host.location, message).key(format!("hosts.{name}.address")));
        };
        for (other_name, other) in &hosts[..at] {
            if (other.address, other.port) == (host.address, host.port) {
                mistake(format!("{} is also the address of {other_name} ({})", host.address, other.location));
            }
        }
        for (network_name, network) in &fleet.networks {
            if network.subnet.contains(&host.address) {
                let subnet = network.subnet;
                mistake(format!(
                    "{} is in {subnet}, the subnet of {network_name} ({})",
                    host.address, network.location
                ));
            }
        }
    }
}

/// Refuses an environment that has no effect because no env file depends on it.
fn check_env(name: &str, stack: &StackConfig, mistakes: &mut Vec<Diagnostic>) {
    let (Some(env), Some(location), Some(first)) = (&stack.env, &stack.env_location, stack.env_files.first()) else {
        return;
    };
    if stack.env_files.iter().any(|file| file.pattern.names_environment()) {
        return;
    }
    let message = format!("env = {env:?} has no effect: no path in env_files ({}) contains {{env}}", first.location);
    let hint = "write {env} in one of the paths, or remove env";
    mistakes.push(Diagnostic::at(location, message).key(format!("stacks.{name}.env")).hint(hint));
}

fn check_places(fleet: &Fleet, name: &str, stack: &StackConfig, mistakes: &mut Vec<Diagnostic>) {
    let known = || fleet.hosts.keys().cloned().collect::<Vec<_>>().join(", ");
    for (service, placement) in &stack.place {
        let message = match &placement.rule {
            PlacementRule::Hosts(hosts) => match hosts.iter().find(|host| !fleet.hosts.contains_key(*host)) {
                Some(unknown) => format!("no host is called {unknown}: the fleet has {}", known()),
                None if hosts.is_empty() => "the list of hosts is empty".to_owned(),
                None => continue,
            },
            PlacementRule::Label { key, value } => {
                if fleet.hosts.values().any(|host| host.labels.get(key) == Some(value)) {
                    continue;
                }
                format!("no host has the label {key}={value}")
            }
        };
        mistakes.push(Diagnostic::at(&placement.location, message).key(format!("stacks.{name}.place.{service}")));
    }
}
