//! From a project to a deployment: containers, hosts, addresses, each choice with its reason.
//!
//! Every key of a service is honoured, refused or warned about with its place: `unsupported` holds the last two.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::address::{self, AddressRequest, AssignedAddresses, StackContext};
use crate::bundle::Manifest;
use crate::deployment::{Dependency, Deployment, Instance, InstanceName, Service, Volume};
use crate::findings::Findings;
use crate::fleet::Fleet;
use crate::host_state::HostState;
use crate::place::{self, Abilities, Placed, PlacementInput};
use crate::plan::Found;
use crate::platform::Platform;
use crate::ties;
use landfast_compose::Project;
use landfast_compose::{Diagnostic, Diagnostics};
use landfast_compose::{model, unite};

mod conflicts;
mod container;
mod container_input;
mod digest;
mod engine_versions;
mod files;
mod image;
mod links;
mod mounts;
mod names;
mod networks;
mod ports;
mod project;
mod resources;
mod rollback;
mod security;
mod unsupported;

pub use image::{FoundImage, ImageCandidates, OtherSource};
pub use rollback::{RollbackInput, rollback};
pub use security::{Profiles, profiles};

use container_input::ContainerInput;

/// How long an updated instance without a health check is watched, unless `update_config.monitor` says: in milliseconds.
const MONITOR_MS: u64 = 5_000;

/// What a deployment is compiled from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// `landfast.toml`.
    pub fleet: &'a Fleet,
    /// The stack's name there: Landfast's handle. Names on the hosts begin with the project's.
    pub stack: &'a str,
    /// The environment chosen.
    pub env: Option<&'a str>,
    /// The stack's folder: absolute, without `.` or `..`. Paths beneath it travel with the bundle.
    pub root: &'a Path,
    /// The compose files.
    pub project: &'a Project,
    /// The stack's folder.
    pub manifest: &'a Manifest,
    /// Of the manifest's encoding.
    pub manifest_digest: &'a str,
    /// Of [`profiles`], with the stack's folder for the project's.
    pub profiles: &'a Profiles,
    /// What references mean, of at least those that [`images`] names.
    pub images: &'a BTreeMap<String, ImageCandidates>,
    /// Host > minor number of the engine API that is spoken there (41 for `1.41`), where it is known.
    pub engines: &'a BTreeMap<String, u32>,
    /// Host > platform of its engine, where it is known.
    pub platforms: &'a BTreeMap<String, Platform>,
    /// Host > what its engine can run containers with, where it is known.
    pub abilities: &'a BTreeMap<String, Abilities>,
    /// What the hosts hold now: placement, addresses and other stacks come from here.
    pub held: &'a BTreeMap<String, HostState>,
    /// What the engines have, ours or not; a host without an entry has not been asked.
    pub found: &'a BTreeMap<String, Found>,
    /// Stacks compiled before this one in the same run.
    pub beside: &'a [Deployment],
    /// The number of the release that this becomes.
    pub release: u64,
    /// Random, and another one in each run: it goes into digests that cover secrets.
    pub salt: &'a str,
}

/// A deployment, and what there is to say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// What to run.
    pub deployment: Deployment,
    /// Not wrong, but to be known.
    pub warnings: Vec<Diagnostic>,
}

/// The images a project needs, each by the reference in its compose file.
pub fn images(project: &Project) -> BTreeSet<String> {
    let wanted = project.services.values().filter(|service| service.replicas() > 0);
    wanted.filter_map(|service| service.image.clone()).collect()
}

/// Compiles one stack; either a deployment or everything that is wrong with it.
pub fn compile(input: Input<'_>) -> Result<Compiled, Diagnostics> {
    let mut findings = Findings::new(input.project);
    names::check(input, &mut findings);
    unsupported::check(input.fleet, input.project, &mut findings);
    let placed = place::place(question(input), &mut findings);
    let addresses = address::assign(context(input), &requests(input, &placed), &mut findings);
    let deployment = assemble(input, &placed, &addresses, &mut findings);
    let context = context(input);
    conflicts::check(context, &deployment, &mut findings);
    project::check(context, &deployment, &mut findings);
    let Findings { mut errors, mut warnings, .. } = findings;
    for list in [&mut errors, &mut warnings] {
        list.sort_by(|a, b| (&a.location, &a.path).cmp(&(&b.location, &b.path)));
        list.dedup();
        *list = unite(std::mem::take(list));
    }
    if errors.is_empty() { Ok(Compiled { deployment, warnings }) } else { Err(Diagnostics(errors)) }
}

fn question(input: Input<'_>) -> PlacementInput<'_> {
    let Input { fleet, stack, project, root, manifest, abilities, held, found, beside, .. } = input;
    let config = fleet.stacks.get(stack);
    PlacementInput { fleet, stack, config, project, root, manifest, abilities, held, found, beside }
}

fn context(input: Input<'_>) -> StackContext<'_> {
    StackContext { fleet: input.fleet, stack: input.stack, held: input.held, beside: input.beside }
}

/// Every end on a fleet network.
fn requests(input: Input<'_>, placed: &BTreeMap<InstanceName, Placed>) -> Vec<AddressRequest> {
    let mut requests = Vec::new();
    for (instance, place) in placed {
        let service = &input.project.services[&instance.service];
        for (key, attachment) in &service.networks {
            let Some(network) = networks::fleet_network(input, key) else { continue };
            let path = format!("services.{}.networks.{key}.ipv4_address", instance.service);
            requests.push(AddressRequest {
                instance: instance.clone(),
                network: network.to_owned(),
                host: place.host.clone(),
                written: attachment.ipv4_address.clone().map(|text| (text, path)),
            });
        }
    }
    requests
}

fn assemble(
    input: Input<'_>,
    placed: &BTreeMap<InstanceName, Placed>,
    addresses: &AssignedAddresses,
    findings: &mut Findings<'_>,
) -> Deployment {
    let gateways = address::gateways(input.fleet, input.held);
    let mut instances = BTreeMap::new();
    for (name, place) in placed {
        let container_input = ContainerInput { compile: input, name, place, addresses, gateways: &gateways };
        let (container, files) = container::container(container_input, findings);
        let Placed { host, reason } = place.clone();
        let follows = ties::followed(input.project, name, placed.keys());
        let bound = ports::bound(container_input, container.ports.len());
        let instance = Instance { host, placed: reason, digest: String::new(), container, bound, files, follows };
        instances.insert(name.clone(), instance);
    }
    digest::digests(&mut instances);
    let networks = networks::stack_networks(input, &instances, findings);
    engine_versions::check(input, &instances, &networks, findings);
    let services = input.project.services.iter().filter(|(name, _)| placed.keys().any(|it| it.service == **name));
    Deployment {
        stack: input.stack.to_owned(),
        project: input.project.name.clone(),
        env: input.env.map(str::to_owned),
        manifest_digest: input.manifest_digest.to_owned(),
        release: input.release,
        services: services.map(|(name, service)| (name.clone(), order_of(input, service))).collect(),
        networks,
        volumes: volumes(input, &instances),
        instances,
    }
}

/// What a service waits for, of what there is, and how it is updated.
fn order_of(input: Input<'_>, service: &model::Service) -> Service {
    let known = service.depends_on.iter().filter(|(name, _)| input.project.services.contains_key(*name));
    let depends_on =
        known.map(|(name, dependency)| Dependency { service: name.clone(), condition: dependency.condition }).collect();
    let update = service.deploy.update_config.as_ref();
    let parallelism = update.and_then(|update| update.parallelism).unwrap_or(1);
    let monitor = update.and_then(|update| update.monitor).map_or(MONITOR_MS, |monitor| whole_milliseconds(monitor.0));
    Service { depends_on, parallelism: u32::try_from(parallelism).unwrap_or(0), monitor_ms: monitor }
}

/// Rounded up: a time that is given is never none.
fn whole_milliseconds(nanos: i64) -> u64 {
    nanos.max(0).unsigned_abs().div_ceil(1_000_000)
}

fn volumes(input: Input<'_>, instances: &BTreeMap<InstanceName, Instance>) -> BTreeMap<String, Volume> {
    let is_mounted = |name: &str| {
        let mut mounts = instances.values().flat_map(|instance| &instance.container.mounts);
        mounts.any(|mount| matches!(&mount.source, crate::container::Source::Volume(volume) if volume == name))
    };
    let ours = input.project.volumes.iter().filter(|(_, volume)| !volume.external && is_mounted(&volume.name));
    let made = ours.map(|(key, volume)| {
        let made = Volume {
            name: volume.name.clone(),
            driver: volume.driver.clone().unwrap_or_default(),
            options: volume.driver_opts.clone(),
            labels: volume.labels.clone(),
        };
        (key.clone(), made)
    });
    made.collect()
}
