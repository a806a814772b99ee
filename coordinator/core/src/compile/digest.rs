//! What makes a container another container.
use std::collections::BTreeMap;

use serde_json::json;

use crate::deployment::{Instance, InstanceName};

/// Gives every instance its digest: BLAKE3, in lower-case hex, of the container, of the files of the bundle that it mounts,
/// and of the instances with which it is made again.
///
/// Releases, names, neighbours and other instances' addresses are not in it: they change without a restart.
pub(super) fn digests(instances: &mut BTreeMap<InstanceName, Instance>) {
    let mut digests = BTreeMap::new();
    for name in instances.keys() {
        digest(name, instances, &mut digests);
    }
    for (name, instance) in instances {
        instance.digest = digests.remove(name).unwrap_or_default();
    }
}

fn digest(
    name: &InstanceName,
    instances: &BTreeMap<InstanceName, Instance>,
    digests: &mut BTreeMap<InstanceName, String>,
) -> String {
    let (Some(instance), None) = (instances.get(name), digests.get(name)) else {
        return digests.get(name).cloned().unwrap_or_default();
    };
    // Dependencies have no circles; if they had, one would end here.
    digests.insert(name.clone(), String::new());
    let mut value = json!({ "container": instance.container, "files": instance.files });
    let follows: BTreeMap<String, String> =
        instance.follows.iter().map(|other| (other.to_string(), digest(other, instances, digests))).collect();
    // Left out when there is nothing, as everything is: what was made before there was this stays as it is.
    if !follows.is_empty() {
        value["follows"] = json!(follows);
    }
    value.sort_all_objects();
    let digest = blake3::hash(value.to_string().as_bytes()).to_hex().to_string();
    digests.insert(name.clone(), digest.clone());
    digest
}
