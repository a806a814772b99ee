//! Ties between services: a service shares a namespace or volumes with another one on its host, or is recreated together with
//! it.
use std::collections::BTreeSet;

use landfast_agreement::partner;

use crate::container::Container;
use crate::deployment::InstanceName;
use landfast_compose::Project;
use landfast_compose::model::Service;

/// A service that shares something of another service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tie<'a> {
    /// Key that declares the tie.
    pub(crate) key: &'static str,
    pub(crate) service: &'a str,
}

/// Returns the ties of a service. Tied services must be on the same host.
pub(crate) fn ties(service: &Service) -> Vec<Tie<'_>> {
    let mut ties = namespaces(service);
    let from = service.volumes_from.iter().filter_map(|from| volumes_of(from));
    ties.extend(from.map(|service| Tie { key: "volumes_from", service }));
    ties
}

/// Returns the ties by namespaces, which end when their container ends.
fn namespaces(service: &Service) -> Vec<Tie<'_>> {
    let modes = [("network_mode", &service.network_mode), ("pid", &service.pid), ("ipc", &service.ipc)];
    let shared = modes.into_iter().filter_map(|(key, mode)| Some((key, mode.as_deref()?.strip_prefix("service:")?)));
    shared.map(|(key, service)| Tie { key, service }).collect()
}

/// Returns the instances of the stack whose namespaces a container joins.
pub(crate) fn joined<'a>(
    name: &InstanceName,
    container: &Container,
    all: impl Iterator<Item = &'a InstanceName> + Clone,
) -> BTreeSet<&'a InstanceName> {
    let modes = [&container.network_mode, &container.pid_mode, &container.ipc_mode];
    let services = modes.into_iter().filter_map(|mode| mode.strip_prefix("service:"));
    services.filter_map(|service| partner(name, service, all.clone())).collect()
}

/// Service in `service[:ro]`, or `None` for `container:name[:ro]`.
fn volumes_of(from: &str) -> Option<&str> {
    let service = from.split_once(':').map_or(from, |(service, _)| service);
    (service != "container" || !from.contains(':')).then_some(service)
}

/// Returns the instances whose recreation also recreates this one.
pub(crate) fn followed<'a>(
    project: &Project,
    name: &InstanceName,
    all: impl Iterator<Item = &'a InstanceName> + Clone,
) -> BTreeSet<InstanceName> {
    let service = &project.services[&name.service];
    let shared = namespaces(service);
    let partners = shared.iter().filter_map(|tie| partner(name, tie.service, all.clone()));
    let restarting = service.depends_on.iter().filter(|(_, on)| on.restart).map(|(on, _)| on.as_str());
    let restarting: Vec<_> = restarting.filter(|on| !shared.iter().any(|tie| tie.service == *on)).collect();
    let others = all.clone().filter(|other| restarting.contains(&other.service.as_str()));
    partners.chain(others).cloned().collect()
}
