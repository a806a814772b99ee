//! From deployments to what every host must be: the stacks that are being deployed as they were just compiled, all the
//! others as the hosts hold them.
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::address;
use crate::container::{Attachment, Source};
use crate::deployment::{self, Deployment, InstanceName};
use crate::fleet::{Fleet, FleetNetwork};
use crate::report::Report;

mod fabric;
pub mod host_state;
mod recreate;
mod volume_users;

pub use fabric::{names, neighbours};
pub use host_state::{Dependency, HostState, Instance, Name, Neighbour, Network, Overlay, Pool, Tree, Volume};
pub use recreate::{StartManifests, why_recreate};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct DesiredInput<'a> {
    /// The stacks that are being deployed.
    pub deployments: &'a [Deployment],
    /// The stacks that go (`landfast down`).
    pub removed: &'a BTreeSet<String>,
    /// With the data of those that go (`landfast down -v`).
    pub remove_volumes: bool,
}

impl DesiredInput<'_> {
    /// The networks of the fleet are on every host from its first day, so that nothing else takes their addresses. Only a run
    /// that takes stacks away makes none.
    fn makes_networks(&self) -> bool {
        self.removed.is_empty() || !self.deployments.is_empty()
    }

    fn is_about(&self, stack: &str) -> bool {
        self.removed.contains(stack) || self.deployments.iter().any(|deployment| deployment.stack == stack)
    }
}

/// What every host of the fleet must be. Epochs and generations are those held: a rollout counts them up.
///
/// `held` is what the hosts hold now; a host without an entry holds nothing.
pub fn desired(
    fleet: &Fleet,
    input: DesiredInput<'_>,
    held: &BTreeMap<String, HostState>,
) -> BTreeMap<String, HostState> {
    let mut states: BTreeMap<String, HostState> = BTreeMap::new();
    for host in fleet.hosts.keys() {
        let nothing = HostState::default();
        let before = held.get(host).unwrap_or(&nothing);
        let mut state = kept_state(input, before);
        (state.fleet, state.host) = (fleet.name.clone(), host.clone());
        for deployment in input.deployments {
            add_deployment(deployment, before, &mut state);
        }
        keep_networks_in_use(before, &mut state);
        states.insert(host.clone(), state);
    }
    let gateways = address::gateways(fleet, held);
    for (name, network) in &fleet.networks {
        if input.makes_networks() || exists(name, held) {
            add_fleet_network(fleet, name, network, &gateways, &mut states);
        }
    }
    volume_users::record(held, &mut states);
    let names = names(&states);
    for state in states.values_mut() {
        state.names.clone_from(&names);
        sort(state);
    }
    fabric::add_neighbours(fleet, &mut states);
    states
}

/// Makes again what ended with a failure and is not started by its host any more, as a job that another release may wait
/// for: without this a deployment that failed could only be tried again with other contents. So it is with containers that
/// [went astray](why_recreate).
pub fn recreate_broken(
    deployments: &[Deployment],
    reports: &BTreeMap<String, Report>,
    started: &StartManifests,
    target: &mut BTreeMap<String, HostState>,
) {
    for deployment in deployments {
        for (name, placed) in &deployment.instances {
            let state = target.get_mut(&placed.host).map(|state| state.instances.iter_mut());
            let Some(instance) = state.into_iter().flatten().find(|instance| instance.name == *name) else { continue };
            let seen = reports.get(&placed.host).and_then(|report| report.instance(name));
            let seen = seen.filter(|seen| seen.digest == instance.digest);
            if seen.is_some_and(|seen| why_recreate(seen, placed, started).is_some()) {
                instance.digest = format!("{}+{}", deployment::content_digest(&instance.digest), deployment.release);
                instance.release = deployment.release;
            }
        }
    }
}

/// What a host keeps of what it holds: other stacks, and every volume, as volumes are data. One that is asked to be deleted stays
/// all the same while another stack mounts it, and is then of that stack.
fn kept_state(input: DesiredInput<'_>, before: &HostState) -> HostState {
    let stays = |stack: &str| !stack.is_empty() && !input.is_about(stack);
    let user = |volume: &Volume| {
        let source = Source::Volume(volume.name.clone());
        let mut others = before.instances.iter().filter(|instance| stays(&instance.name.stack));
        others.find(|instance| instance.container.mounts.iter().any(|mount| mount.source == source))
    };
    let volumes = before.volumes.iter().filter(|volume| !volume.remove).cloned().map(|mut volume| {
        if input.remove_volumes && input.removed.contains(&volume.stack) {
            match user(&volume) {
                Some(instance) => volume.stack.clone_from(&instance.name.stack),
                None => volume.remove = true,
            }
        }
        volume
    });
    HostState {
        epoch: before.epoch,
        generation: before.generation,
        networks: before.networks.iter().filter(|network| stays(&network.stack)).cloned().collect(),
        volumes: volumes.collect(),
        trees: before.trees.iter().filter(|tree| stays(&tree.stack)).cloned().collect(),
        instances: before.instances.iter().filter(|instance| stays(&instance.name.stack)).cloned().collect(),
        ..HostState::default()
    }
}

/// What a deployment brings to a host.
fn add_deployment(deployment: &Deployment, before: &HostState, state: &mut HostState) {
    let here: Vec<_> = deployment.instances.iter().filter(|(_, instance)| instance.host == state.host).collect();
    if here.is_empty() {
        return;
    }
    let Deployment { stack, manifest_digest, .. } = deployment;
    // Left out when it is the stack: what was made before there was this stays as it is.
    let project = if deployment.project() == stack { "" } else { deployment.project() };
    state.trees.push(Tree { stack: stack.clone(), manifest: manifest_digest.clone() });
    state.instances.extend(here.iter().map(|(name, instance)| held_instance(deployment, name, instance, before)));
    for (key, network) in &deployment.networks {
        let is_on = |end: &Attachment| end.network == network.name;
        // Two stacks may give one network its name: it is there once, and the first one's.
        let is_there = state.networks.iter().any(|there| there.name == network.name);
        if !is_there && here.iter().any(|(_, instance)| instance.container.networks.iter().any(is_on)) {
            let network = stack_network(stack, key, network);
            state.networks.push(Network { project: project.to_owned(), ..network });
        }
    }
    for (key, volume) in &deployment.volumes {
        let source = Source::Volume(volume.name.clone());
        if here.iter().any(|(_, instance)| instance.container.mounts.iter().any(|mount| mount.source == source)) {
            let recorded = state.volumes.iter().position(|held| held.name == volume.name);
            let users = recorded.map(|at| state.volumes.remove(at).users).unwrap_or_default();
            let volume = stack_volume(stack, key, volume);
            state.volumes.push(Volume { project: project.to_owned(), users, ..volume });
        }
    }
}

/// A network stays while an instance is on it, even when the stack that made it goes: it is then of the stack that stays.
fn keep_networks_in_use(before: &HostState, state: &mut HostState) {
    for network in before.networks.iter().filter(|network| network.overlay.is_none()) {
        let user =
            state.instances.iter().find(|it| it.container.networks.iter().any(|end| end.network == network.name));
        let is_there = state.networks.iter().any(|there| there.name == network.name);
        if let (Some(user), false) = (user, is_there) {
            let kept = Network { stack: user.name.stack.clone(), ..network.clone() };
            state.networks.push(kept);
        }
    }
}

/// Digest and release are those with which the container was made what it is, when it is that already.
fn held_instance(
    deployment: &Deployment,
    name: &InstanceName,
    instance: &deployment::Instance,
    before: &HostState,
) -> Instance {
    let kept = before.instance(name).filter(|held| is_kept(&held.digest, &instance.digest, deployment.release));
    let service = deployment.services.get(&name.service);
    Instance {
        name: name.clone(),
        release: kept.map_or(deployment.release, |held| held.release),
        digest: kept.map_or(&instance.digest, |held| &held.digest).clone(),
        container: instance.container.clone(),
        depends_on: service.map(|service| service.depends_on.clone()).unwrap_or_default(),
        stopped: false,
    }
}

/// A container made again on request stays the one it is until the request of another release.
fn is_kept(held: &str, wanted: &str, release: u64) -> bool {
    let asked = wanted.ends_with(&format!("+{release}"));
    held == wanted || (!asked && deployment::content_digest(held) == deployment::content_digest(wanted))
}

/// A network of a stack as its hosts are told of it.
pub(crate) fn stack_network(stack: &str, key: &str, network: &deployment::Network) -> Network {
    let it = network.clone();
    Network {
        name: it.name,
        stack: stack.to_owned(),
        key: key.to_owned(),
        driver: it.driver,
        subnet: it.subnet,
        gateway: it.gateway,
        internal: it.internal,
        attachable: it.attachable,
        ipv6: it.ipv6,
        options: it.options,
        labels: it.labels,
        overlay: None,
        pools: it.pools,
        ipam_driver: it.ipam_driver,
        ipam_options: it.ipam_options,
        ipv4: it.ipv4,
        project: String::new(),
    }
}

fn stack_volume(stack: &str, key: &str, volume: &deployment::Volume) -> Volume {
    let deployment::Volume { name, driver, options, labels } = volume.clone();
    let (stack, key) = (stack.to_owned(), key.to_owned());
    Volume { name, stack, key, driver, options, labels, ..Volume::default() }
}

fn exists(network: &str, held: &BTreeMap<String, HostState>) -> bool {
    held.values().any(|state| state.networks.iter().any(|there| there.name == network && there.overlay.is_some()))
}

/// A fleet network is on every host, so that every host reaches every address of it.
fn add_fleet_network(
    fleet: &Fleet,
    name: &str,
    network: &FleetNetwork,
    gateways: &BTreeMap<(String, String), Ipv4Addr>,
    states: &mut BTreeMap<String, HostState>,
) {
    for (host, state) in states {
        let Some(gateway) = gateways.get(&(name.to_owned(), host.clone())) else { continue };
        let local = fleet.hosts[host].address.to_string();
        let overlay = Overlay { vni: vni(name), local, mtu: network.mtu, neighbours: Vec::new() };
        state.networks.push(Network {
            name: name.to_owned(),
            key: name.to_owned(),
            driver: "bridge".to_owned(),
            subnet: network.subnet.to_string(),
            gateway: gateway.to_string(),
            attachable: true,
            overlay: Some(overlay),
            ..Network::default()
        });
    }
}

/// The number of a network on the wire: 4096 and up, from its name alone, so that it is the same for ever.
///
/// Two names meet with a chance of one in a million: 20 of the 24 bits that VXLAN has.
pub fn vni(network: &str) -> u32 {
    let hash = blake3::hash(network.as_bytes());
    let [a, b, c, d, ..] = *hash.as_bytes();
    4096 + u32::from_be_bytes([a, b, c, d]) % (1 << 20)
}

fn sort(state: &mut HostState) {
    state.networks.sort_by(|a, b| a.name.cmp(&b.name));
    state.volumes.sort_by(|a, b| a.name.cmp(&b.name));
    state.trees.sort_by(|a, b| a.stack.cmp(&b.stack));
    state.instances.sort_by(|a, b| a.name.cmp(&b.name));
}
