//! Compiles a project into a deployment: containers, hosts and addresses, each choice with its reason.
//!
//! Every key of a service has an effect, an error or a warning. `unsupported` reports the errors and warnings.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

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

/// Default for `update_config.monitor` in milliseconds: how long to watch an updated instance without a health check.
const MONITOR_MS: u64 = 5_000;

/// Input for [`compile()`].
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// `landfast.toml`.
    pub fleet: &'a Fleet,
    /// Name of the stack in `landfast.toml`. Names on the hosts start with the name of the project instead.
    pub stack: &'a str,
    /// Name of the selected environment.
    pub env: Option<&'a str>,
    /// Absolute path of the stack's folder, without `.` and `..`. The bundle contains the files in it.
    pub root: &'a Path,
    /// Project from the compose files.
    pub project: &'a Project,
    /// Manifest of the stack's folder.
    pub manifest: &'a Manifest,
    /// Digest of the encoded manifest.
    pub manifest_digest: &'a str,
    /// Seccomp profiles, read by [`profiles`] from the stack's folder.
    pub profiles: &'a Profiles,
    /// Images by reference, for at least the references that [`images`] returns.
    pub images: &'a BTreeMap<String, ImageCandidates>,
    /// Minor version of the engine API by host, such as 41 for `1.41`, where it is known.
    pub engines: &'a BTreeMap<String, u32>,
    /// Platform of the engine by host, where it is known.
    pub platforms: &'a BTreeMap<String, Platform>,
    /// Runtimes and device drivers of the engine by host, where they are known.
    pub abilities: &'a BTreeMap<String, Abilities>,
    /// Host states that the hosts hold now, with the placement and addresses of all stacks.
    pub held: &'a BTreeMap<String, HostState>,
    /// Resources of the engines, managed by Landfast or not. A host without an entry was not asked.
    pub found: &'a BTreeMap<String, Found>,
    /// Deployments of stacks that were compiled earlier in the same run.
    pub beside: &'a [Deployment],
    /// Number of the release that the deployment becomes.
    pub release: u64,
    /// Random value of this run, which becomes part of digests that cover secrets.
    pub salt: &'a str,
}

/// A deployment and its warnings.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// The deployment.
    pub deployment: Deployment,
    /// Warnings, which do not prevent the deployment.
    pub warnings: Vec<Diagnostic>,
}

/// Returns the references of the images that a project needs.
pub fn images(project: &Project) -> BTreeSet<String> {
    let wanted = project.services.values().filter(|service| service.replicas() > 0);
    wanted.filter_map(|service| service.image.clone()).collect()
}

/// Compiles one stack, or returns all its errors.
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

/// Returns an address request for every attachment to a fleet network.
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
        let (digest, container) = (String::new(), Arc::new(container));
        let instance = Instance { host, placed: reason, digest, container, bound, files, follows };
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

/// Returns the dependencies of a service, without services that are not in the project, and how it is updated.
fn order_of(input: Input<'_>, service: &model::Service) -> Service {
    let known = service.depends_on.iter().filter(|(name, _)| input.project.services.contains_key(*name));
    let depends_on =
        known.map(|(name, dependency)| Dependency { service: name.clone(), condition: dependency.condition }).collect();
    let update = service.deploy.update_config.as_ref();
    let parallelism = update.and_then(|update| update.parallelism).unwrap_or(1);
    let monitor = update.and_then(|update| update.monitor).map_or(MONITOR_MS, |monitor| whole_milliseconds(monitor.0));
    Service { depends_on, parallelism: u32::try_from(parallelism).unwrap_or(0), monitor_ms: monitor }
}

/// Converts nanoseconds to milliseconds and rounds up, so that no positive time becomes 0.
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
