//! Containers that are what they were made to be and are not what they should be all the same: somebody has disconnected one
//! from a network, or it was started while its stack's folder was another. They are made again, like those that failed.
use std::collections::BTreeMap;

use crate::bundle::Manifest;
use crate::compile::files_at;
use crate::container::{Container, Source};
use crate::deployment;
use crate::report::{ContainerState, InstanceReport};

/// Manifests that containers were started with, by digest, as far as they are known.
pub type StartManifests = BTreeMap<String, Manifest>;

/// Why a container must be made again although nothing about its service has changed.
pub fn why_recreate(seen: &InstanceReport, wanted: &deployment::Instance, started: &StartManifests) -> Option<String> {
    let failed = seen.permanent_failure(&wanted.container);
    let disconnected = || is_disconnected(seen, &wanted.container);
    failed.or_else(disconnected).or_else(|| holds_other_files(seen, wanted, started))
}

fn is_disconnected(seen: &InstanceReport, container: &Container) -> Option<String> {
    let runs = seen.state == ContainerState::Running;
    let mut ends = container.networks.iter().filter(|_| runs && !seen.addresses.is_empty());
    let lost = ends.find(|end| !seen.addresses.contains_key(&end.network))?;
    Some(format!("it was disconnected from the network {} on its host", lost.network))
}

/// A process keeps what it has read at its start, whatever was brought to the folder later.
fn holds_other_files(seen: &InstanceReport, wanted: &deployment::Instance, started: &StartManifests) -> Option<String> {
    let manifest = started.get(&seen.tree).filter(|_| seen.state == ContainerState::Running)?;
    let mounts = wanted.container.mounts.iter().filter_map(|mount| match &mount.source {
        Source::Tree(path) => Some(path),
        _ => None,
    });
    let held: BTreeMap<String, String> = mounts.flat_map(|path| files_at(manifest, path)).collect();
    let changed = wanted.files.iter().find(|(path, what)| held.get(*path) != Some(*what)).map(|(path, _)| path);
    let other = changed.or_else(|| held.keys().find(|path| !wanted.files.contains_key(*path)))?;
    Some(format!("since its start it has held another version of {other}"))
}
