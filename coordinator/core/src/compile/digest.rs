//! Digest of an instance, which decides whether its container is recreated.
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::container::PlacedFile;
use crate::deployment::{Instance, InstanceName};

/// Sets the digest of every instance: the BLAKE3 hash, in lower-case hex, of the container, of the files of the bundle that it
/// mounts, and of the instances that it is recreated with.
///
/// Releases, DNS names, neighbours and addresses of other instances are not part of it, because they change without a restart.
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
    // This entry would also end a circle of dependencies, although there is none.
    digests.insert(name.clone(), String::new());
    let mut container = instance.container.clone();
    // The MAC says the same as the epoch.
    container.networks.iter_mut().for_each(|end| end.epoch = 0);
    let mut value = json!({ "container": container, "files": instance.files });
    if !container.files.is_empty() {
        value["container"]["files"] = container.files.iter().map(placed_file).collect();
    }
    let follows: BTreeMap<String, String> =
        instance.follows.iter().map(|other| (other.to_string(), digest(other, instances, digests))).collect();
    // The field is left out if it is empty, so that it does not change the digests of instances without it.
    if !follows.is_empty() {
        value["follows"] = json!(follows);
    }
    value.sort_all_objects();
    let digest = blake3::hash(value.to_string().as_bytes()).to_hex().to_string();
    digests.insert(name.clone(), digest.clone());
    digest
}

/// A secret or config as digests have always covered it: with its contents, and without the digest that stands for them.
fn placed_file(file: &PlacedFile) -> Value {
    let mut value = json!(PlacedFile { digest: String::new(), ..file.clone() });
    value["contents"] = json!(file.contents);
    value
}
