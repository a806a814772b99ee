//! Creates the container of an instance.

use std::collections::BTreeMap;
use std::path::PathBuf;

use landfast_agent_core::attempts::Resource;
use landfast_agent_core::desired::{Incarnation, InstanceName};
use landfast_agent_core::observed::Container;

use super::{Executor, StepError};
use crate::docker::Place;
use crate::observe::blocking;
use crate::sources;
use crate::tree::Trees;
use crate::wire::{Held, Instance, mount};

/// What the plan says about the container.
pub(super) struct Request<'a> {
    pub(super) instance: &'a Incarnation,
    /// Name of the container for now.
    pub(super) name: &'a str,
    pub(super) image: &'a str,
    /// Ids of the containers that it shares namespaces or volumes with, by their instances.
    pub(super) partners: &'a BTreeMap<InstanceName, String>,
    /// Container that it replaces, and whose anonymous volumes it takes over.
    pub(super) previous: Option<&'a str>,
}

/// Returns the id of the new container, and what is known of it without asking the engine.
pub(super) async fn run(
    executor: &Executor,
    held: &Held,
    request: Request<'_>,
) -> Result<(String, Container), StepError> {
    let Request { instance, name, image, partners, previous } = request;
    let not_assigned = || StepError::NotAssigned(Resource::Instance(instance.clone()));
    let wanted = held.instance(instance).ok_or_else(not_assigned)?;
    let mut place = place(executor, held, wanted, name, image).await?;
    place.partners.clone_from(partners);
    if let (Some(previous), Some(container)) = (previous, &wanted.container) {
        place.inherited = executor.engine.inheritance(previous, image, container).await?;
    }
    let created_at = now();
    let id = executor.engine.create_container(wanted, &place).await?;
    let joined = partners.values().cloned().collect();
    Ok((id, Container { joined, ..created(held, wanted, instance, name, created_at) }))
}

/// Finds where the container is created: the sources of its mounts, and the DNS server that it asks.
async fn place(
    executor: &Executor,
    held: &Held,
    instance: &Instance,
    name: &str,
    image: &str,
) -> Result<Place, StepError> {
    let (trees, wanted) = (executor.trees.clone(), instance.clone());
    let sources = blocking(move || mount_sources(&trees, &wanted)).await?;
    let container = instance.container.iter();
    let attached = container.flat_map(|container| &container.networks).filter_map(|it| held.network(&it.network));
    let mut dns = attached.filter(|network| network.overlay.is_some()).map(|network| network.gateway.clone());
    Ok(Place {
        fleet: executor.fleet.clone(),
        name: name.to_owned(),
        image: image.to_owned(),
        sources,
        dns: dns.find(|gateway| !gateway.is_empty()),
        partners: BTreeMap::new(),
        inherited: BTreeMap::new(),
    })
}

/// Finds the path on the host of each mount that has one, and creates the folders that are to be created. Blocks.
fn mount_sources(trees: &Trees, instance: &Instance) -> Result<Vec<Option<PathBuf>>, StepError> {
    let mounts = instance.container.iter().flat_map(|container| &container.mounts);
    let sources = mounts.map(|wanted| match &wanted.source {
        Some(mount::Source::Tree(path)) => Ok(Some(trees.source(&instance.stack, path, wanted.create)?)),
        Some(mount::Source::Host(path)) => {
            let path = PathBuf::from(path);
            sources::prepare(&path, wanted.create)?;
            Ok(Some(path))
        }
        Some(mount::Source::Volume(_) | mount::Source::Memory(_)) | None => Ok(None),
    });
    sources.collect()
}

/// Describes a container that was just created well enough to plan with it before the engine is asked.
fn created(held: &Held, wanted: &Instance, instance: &Incarnation, name: &str, created_at: i64) -> Container {
    let desired = held.desired.instances.get(instance).cloned().unwrap_or_default();
    Container {
        name: name.to_owned(),
        instance: instance.instance.clone(),
        incarnation: instance.number,
        digest: desired.digest,
        release: wanted.release,
        image: desired.image,
        restart: desired.restart,
        volumes: desired.volumes,
        claims: desired.claims,
        addresses: desired.networks.into_iter().map(|network| (network, String::new())).collect(),
        created_at,
        ..Container::default()
    }
}

/// Unix time in nanoseconds, by the clock that the engine uses too.
fn now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0)
}
