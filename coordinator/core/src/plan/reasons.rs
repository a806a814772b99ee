//! Reasons for recreating a container: exactly what changed, without any value of the environment.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Comparison;
use crate::container::{Attachment, Container, Mount, PlacedFile};
use crate::deployment::{Instance, InstanceName, content_digest};
use crate::desired::{self, HostState, why_recreate};

/// Changes between two versions of an instance that was on this host. The list is never empty.
pub(super) fn changes(
    comparison: Comparison<'_>,
    host: &str,
    before: &desired::Instance,
    after: &desired::Instance,
) -> Vec<String> {
    if content_digest(&before.digest) == content_digest(&after.digest) {
        return vec![recreate_reason(comparison, before)];
    }
    let (old, new) = (&before.container, &after.container);
    let mut reasons = Vec::new();
    reasons.extend(image(comparison.image_ids.get(host), old, new));
    reasons.extend(keys("environment", &variables(old), &variables(new)));
    reasons.extend(keys("label", &old.labels, &new.labels));
    reasons.extend(keys("mount", &mounts(old), &mounts(new)));
    reasons.extend(keys("file", &placed_files(old), &placed_files(new)));
    reasons.extend(networks(old, new));
    reasons.extend(others(old, new));
    reasons.extend(recreated_owners(comparison, &after.name));
    let (known, files) = files(comparison, &after.name, &before.digest);
    reasons.extend(files);
    if reasons.is_empty() {
        let reason = if known {
            "this version of Landfast creates the container differently"
        } else {
            "a file that it mounts changed"
        };
        reasons.push(reason.to_owned());
    }
    reasons
}

/// Why a container is recreated although its declaration is the same.
fn recreate_reason(comparison: Comparison<'_>, before: &desired::Instance) -> String {
    let after = comparison.after.get(&before.name.stack).and_then(|deployment| deployment.instances.get(&before.name));
    let seen = comparison.reports.values().filter_map(|report| report.about(before));
    let mut seen = seen.filter(|seen| seen.is_of(before));
    let reason = after.and_then(|after| seen.find_map(|seen| why_recreate(seen, after, comparison.started)));
    match reason {
        Some(reason) if !comparison.force_recreate => reason,
        _ => "requested with --force-recreate".to_owned(),
    }
}

/// Change of the image. If the name is the same, the reason shows the ids that `docker images` shows on that host, or else
/// the fingerprints, which are the same on every host.
fn image(ids: Option<&BTreeMap<String, String>>, old: &Container, new: &Container) -> Option<String> {
    let name = &new.image;
    if old.image != *name {
        return Some(format!("image changes from {} to {name}", old.image));
    }
    let (before, after) = (&old.image_fingerprint, &new.image_fingerprint);
    if before == after {
        return None;
    }
    if after.is_empty() {
        return Some(format!("image {name} is built or pulled first"));
    }
    let id = |fingerprint: &String| ids?.get(fingerprint);
    Some(match (id(before), id(after)) {
        (Some(before), Some(after)) => format!("image {name} changes from {} to {}", short(before), short(after)),
        _ => format!("image {name} changes from fingerprint {} to {}", short(before), short(after)),
    })
}

/// First twelve digits of an id, as Docker shows them, with the prefix of the id.
fn short(id: &str) -> &str {
    let prefix = id.find(':').map_or(0, |colon| colon + 1);
    id.get(..prefix + 12).unwrap_or(id)
}

/// Changes of a map, as in `environment LOG_LEVEL changed`. Values are left out, because they may be secrets.
fn keys<V: PartialEq>(what: &str, old: &BTreeMap<String, V>, new: &BTreeMap<String, V>) -> Vec<String> {
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let change = |key: &&String| match (old.get(*key), new.get(*key)) {
        (Some(before), Some(after)) => (before != after).then_some("changed"),
        (None, _) => Some("added"),
        (_, None) => Some("removed"),
    };
    all.iter().filter_map(|key| Some(format!("{what} {key} {}", change(key)?))).collect()
}

fn variables(container: &Container) -> BTreeMap<String, String> {
    let split = |text: &String| text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    container.environment.iter().filter_map(split).collect()
}

/// Mounts by their path in the container.
fn mounts(container: &Container) -> BTreeMap<String, &Mount> {
    container.mounts.iter().map(|mount| (mount.target.clone(), mount)).collect()
}

/// Secrets and configs by their path in the container.
fn placed_files(container: &Container) -> BTreeMap<String, &PlacedFile> {
    container.files.iter().map(|file| (file.target.clone(), file)).collect()
}

fn networks(old: &Container, new: &Container) -> Vec<String> {
    let by_name = |container: &Container| -> BTreeMap<String, Attachment> {
        container.networks.iter().map(|end| (end.network.clone(), end.clone())).collect()
    };
    let (old, new) = (by_name(old), by_name(new));
    let mut reasons = Vec::new();
    for (name, after) in &new {
        match old.get(name) {
            Some(before) if before.address != after.address => {
                let text = |end: &Attachment| end.address.map_or("automatic".to_owned(), |address| address.to_string());
                let (from, to) = (text(before), text(after));
                reasons.push(format!("address on {name} changes from {from} to {to}"));
            }
            Some(before) if before.aliases != after.aliases => reasons.push(format!("names on {name} changed")),
            Some(before) if before != after => reasons.push(format!("network {name} changed")),
            Some(_) => {}
            None => reasons.push(format!("network {name} added")),
        }
    }
    reasons.extend(old.keys().filter(|name| !new.contains_key(*name)).map(|name| format!("network {name} removed")));
    reasons
}

/// Changes of all other fields, by name of the field.
fn others(old: &Container, new: &Container) -> Vec<String> {
    const COMPARED: [&str; 7] = ["image", "image_fingerprint", "environment", "labels", "mounts", "files", "networks"];
    let fields = |container: &Container| match serde_json::to_value(container) {
        Ok(Value::Object(fields)) => fields.into_iter().collect::<BTreeMap<String, Value>>(),
        _ => BTreeMap::new(),
    };
    let (old, new) = (fields(old), fields(new));
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).filter(|key| !COMPARED.contains(&key.as_str())).collect();
    all.into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| format!("{} changed", key.replace('_', " ")))
        .collect()
}

/// Instances that are recreated and with which this one must be recreated.
fn recreated_owners(comparison: Comparison<'_>, name: &InstanceName) -> Vec<String> {
    let digest = |states: &BTreeMap<String, HostState>, other: &InstanceName| {
        states.values().find_map(|state| state.instance(other)).map(|instance| instance.digest.clone())
    };
    let after = comparison.after.get(&name.stack).and_then(|deployment| deployment.instances.get(name));
    let follows = after.into_iter().flat_map(|instance| &instance.follows);
    let changed = follows.filter(|other| digest(comparison.current, other) != digest(comparison.target, other));
    changed.map(|other| format!("it is recreated together with {other}")).collect()
}

/// Whether the files that were mounted before are known, and which of them changed.
fn files(comparison: Comparison<'_>, name: &InstanceName, digest: &str) -> (bool, Vec<String>) {
    let before = comparison.before.get(&name.stack).and_then(|deployment| deployment.instances.get(name));
    let after = comparison.after.get(&name.stack).and_then(|deployment| deployment.instances.get(name));
    let same = |before: &&Instance| content_digest(&before.digest) == content_digest(digest);
    match (before.filter(same), after) {
        (Some(before), Some(after)) => (true, keys("file", &before.files, &after.files)),
        _ => (false, Vec::new()),
    }
}
