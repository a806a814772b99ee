//! Containers that must be recreated although their declaration has not changed: they were disconnected from a network, they
//! started with older files, or they failed.
use std::collections::BTreeMap;

use crate::bundle::Manifest;
use crate::bundle::files_at;
use crate::container::{Container, Source};
use crate::deployment;
use crate::report::{ContainerState, InstanceReport};

/// Known manifests that containers were started with, keyed by digest.
pub type StartManifests = BTreeMap<String, Manifest>;

/// Why a container must be recreated although its declaration has not changed.
pub fn why_recreate(seen: &InstanceReport, wanted: &deployment::Instance, started: &StartManifests) -> Option<String> {
    let failed = seen.permanent_failure(&wanted.container);
    let disconnected = || disconnected_from(seen, &wanted.container);
    failed.or_else(disconnected).or_else(|| started_with_other_files(seen, wanted, started))
}

fn disconnected_from(seen: &InstanceReport, container: &Container) -> Option<String> {
    let runs = seen.state == ContainerState::Running;
    let mut ends = container.networks.iter().filter(|_| runs && !seen.addresses.is_empty());
    let lost = ends.find(|end| !seen.addresses.contains_key(&end.network))?;
    Some(format!("it was disconnected from the network {} on its host", lost.network))
}

/// Why a container that started with other files must be recreated. A process keeps what it has read, whatever is synced later.
fn started_with_other_files(
    seen: &InstanceReport,
    wanted: &deployment::Instance,
    started: &StartManifests,
) -> Option<String> {
    let manifest = started.get(&seen.tree).filter(|_| seen.state == ContainerState::Running)?;
    let mounts = wanted.container.mounts.iter().filter_map(|mount| match &mount.source {
        Source::Tree(path) => Some(path),
        _ => None,
    });
    let held: BTreeMap<String, String> = mounts.flat_map(|path| files_at(manifest, path)).collect();
    let changed = wanted.files.iter().find(|(path, what)| held.get(*path) != Some(*what)).map(|(path, _)| path);
    let other = changed.or_else(|| held.keys().find(|path| !wanted.files.contains_key(*path)))?;
    Some(format!("it started with another version of {other}"))
}
