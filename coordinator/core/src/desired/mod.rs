//! Desired state of every host: the stacks that are deployed as they were compiled, and all other stacks as the hosts hold
//! them.
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::address;
use crate::container::{Attachment, Source};
use crate::deployment::{self, Deployment, InstanceName};
use crate::fabric::Endpoint;
use crate::fleet::{Fleet, FleetNetwork};
use crate::ledger::{Lost, fabric_of, ledger};
use crate::report::Report;

mod incarnations;
mod leave;
mod rebuild;
mod recreate;
mod remove_host;
mod restore;
mod volume_users;

pub use crate::host_state::{
    Dependency, HostState, Instance, Network, NetworkSpec, Overlay, Pool, Tree, Volume, Wanted,
};
pub use incarnations::number_incarnations;
pub use leave::{CannotLeave, leave};
pub use rebuild::rebuild;
pub use recreate::{StartManifests, why_recreate};
pub use remove_host::remove_host;
pub use restore::restore;

/// Request from which the desired state is made.
#[derive(Debug, Clone, Copy)]
pub struct DesiredInput<'a> {
    /// Stacks that are deployed.
    pub deployments: &'a [Deployment],
    /// Stacks that are removed (`landfast down`).
    pub removed: &'a BTreeSet<String>,
    /// Whether the volumes of removed stacks are deleted (`landfast down -v`).
    pub remove_volumes: bool,
    /// Instances that run although their hosts hold no state of them.
    pub unmanaged: &'a BTreeSet<InstanceName>,
}

impl DesiredInput<'_> {
    /// Whether missing networks of the fleet are created. Every host has them from its first deployment, so that nothing else
    /// takes their addresses. Only a run that just removes stacks does not create them.
    fn makes_networks(&self) -> bool {
        self.removed.is_empty() || !self.deployments.is_empty()
    }

    fn is_about(&self, stack: &str) -> bool {
        self.removed.contains(stack) || self.deployments.iter().any(|deployment| deployment.stack == stack)
    }
}

/// Makes the desired state of every host of the fleet. Epochs and generations are those that the hosts hold: a rollout
/// increments them.
///
/// `held` is what the hosts hold now. A host without an entry holds nothing.
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
    states.values_mut().for_each(sort);
    let lost = Lost::new(input.unmanaged, held);
    connect(held, &mut states, |endpoint| lost.holder(endpoint).is_some_and(|name| !input.is_about(&name.stack)));
    states
}

/// Gives a new digest to instances whose container must be recreated although their declaration is the same
/// ([`why_recreate`]). Without this, a failed job would run again only after a change of its files.
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
            let seen = reports.get(&placed.host).and_then(|report| report.about(instance));
            let seen = seen.filter(|seen| seen.is_of(instance));
            if seen.is_some_and(|seen| why_recreate(seen, placed, started).is_some()) {
                instance.digest = format!("{}+{}", deployment::content_digest(&instance.digest), deployment.release);
                instance.release = deployment.release;
            }
        }
    }
}

/// The part of a host's state that stays: stacks that are not deployed or removed now, and every volume, because volumes hold
/// data. A volume that should be deleted stays if another stack mounts it, and then belongs to that stack.
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

/// Adds the parts of a deployment that belong on a host.
fn add_deployment(deployment: &Deployment, before: &HostState, state: &mut HostState) {
    let here: Vec<_> = deployment.instances.iter().filter(|(_, instance)| instance.host == state.host).collect();
    if here.is_empty() {
        return;
    }
    let Deployment { stack, manifest_digest, .. } = deployment;
    // Empty if it is the name of the stack, so that resources of earlier versions stay unchanged.
    let project = if deployment.project() == stack { "" } else { deployment.project() };
    state.trees.push(Tree { stack: stack.clone(), manifest: manifest_digest.clone() });
    state.instances.extend(here.iter().map(|(name, instance)| held_instance(deployment, name, instance, before)));
    for (key, network) in &deployment.networks {
        let is_on = |end: &Attachment| end.network == network.name;
        // Two stacks may declare a network of the same name: it exists once and belongs to the first.
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

/// Keeps networks that an instance still uses although their stack is removed. They then belong to the stack of that instance.
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

/// The instance as the host should hold it. If its container exists already, its digest, release and incarnation stay the same.
/// A new container is numbered by [`number_incarnations`].
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
        wanted: Wanted::Run,
        incarnation: kept.map_or(0, |held| held.incarnation),
        last_incarnation: kept.map_or(0, |held| held.last_incarnation),
    }
}

/// Whether a held container is kept. One that was recreated on request is kept until a request in another release.
fn is_kept(held: &str, wanted: &str, release: u64) -> bool {
    let asked = wanted.ends_with(&format!("+{release}"));
    held == wanted || (!asked && deployment::content_digest(held) == deployment::content_digest(wanted))
}

/// A network of a stack in the form of the host state.
pub(crate) fn stack_network(stack: &str, key: &str, network: &deployment::Network) -> Network {
    let deployment::Network { name, spec } = network.clone();
    Network { name, stack: stack.to_owned(), key: key.to_owned(), spec, ..Network::default() }
}

fn stack_volume(stack: &str, key: &str, volume: &deployment::Volume) -> Volume {
    let deployment::Volume { name, driver, options, labels } = volume.clone();
    let (stack, key) = (stack.to_owned(), key.to_owned());
    Volume { name, stack, key, driver, options, labels, ..Volume::default() }
}

fn exists(network: &str, held: &BTreeMap<String, HostState>) -> bool {
    held.values().any(|state| state.networks.iter().any(|there| there.name == network && there.overlay.is_some()))
}

/// Adds a fleet network to every host, so that every host reaches all of its addresses.
fn add_fleet_network(
    fleet: &Fleet,
    name: &str,
    network: &FleetNetwork,
    gateways: &BTreeMap<(String, String), Ipv4Addr>,
    states: &mut BTreeMap<String, HostState>,
) {
    for (host, state) in states {
        let Some(gateway) = gateways.get(&(name.to_owned(), host.clone())) else { continue };
        let overlay = Overlay { vni: vni(name), local: fleet.hosts[host].address, mtu: network.mtu };
        let spec = NetworkSpec {
            driver: "bridge".to_owned(),
            subnet: Some(network.subnet.into()),
            gateway: Some((*gateway).into()),
            attachable: true,
            ..NetworkSpec::default()
        };
        let (name, overlay) = (name.to_owned(), Some(overlay));
        state.networks.push(Network { key: name.clone(), name, spec, overlay, ..Network::default() });
    }
}

/// VXLAN network identifier of a network, from 4096 up. It is computed from the name alone, so that it never changes.
///
/// Two names have the same identifier with a probability of one in a million, because 20 of the 24 bits are used.
pub fn vni(network: &str) -> u32 {
    let hash = blake3::hash(network.as_bytes());
    let [a, b, c, d, ..] = *hash.as_bytes();
    4096 + u32::from_be_bytes([a, b, c, d]) % (1 << 20)
}

/// Enters in every host state the fabric that connects the hosts. If it stays as it is, the states share the one that is held.
fn connect(
    held: &BTreeMap<String, HostState>,
    states: &mut BTreeMap<String, HostState>,
    keeps: impl Fn(&Endpoint) -> bool,
) {
    let before = ledger(held);
    let fabric = fabric_of(states, &before, keeps);
    let fabric = if fabric == *before { before } else { Arc::new(fabric) };
    for state in states.values_mut() {
        state.fabric.clone_from(&fabric);
    }
}

fn sort(state: &mut HostState) {
    state.networks.sort_by(|a, b| a.name.cmp(&b.name));
    state.volumes.sort_by(|a, b| a.name.cmp(&b.name));
    state.trees.sort_by(|a, b| a.stack.cmp(&b.stack));
    state.instances.sort_by(|a, b| (&a.name, a.incarnation).cmp(&(&b.name, b.incarnation)));
}
