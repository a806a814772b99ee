//! Digest of an instance, which decides whether its container is recreated.
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::container::{Container, PlacedFile};
use crate::deployment::{Instance, InstanceName, content_digest};

/// Sets the digest of every instance: the BLAKE3 hash, in lower-case hex, of the container, of the files of the bundle that it
/// mounts, and of the instances that it is recreated with.
///
/// Releases, DNS names, neighbours and addresses of other instances are not part of it, because they change without a restart.
pub(super) fn digests(instances: &mut BTreeMap<InstanceName, Instance>) {
    digests_after(instances, &BTreeMap::new());
}

/// Sets the digest of every instance. One that is as it was before keeps its digest, apart from the part for recreation on request:
/// the contents of its secrets, which the digest covers, are known only when the stack is compiled.
pub(super) fn digests_after(
    instances: &mut BTreeMap<InstanceName, Instance>,
    before: &BTreeMap<InstanceName, Instance>,
) {
    let mut digests = BTreeMap::new();
    for name in instances.keys() {
        digest(name, instances, before, &mut digests);
    }
    for (name, instance) in instances {
        instance.digest = digests.remove(name).unwrap_or_default();
    }
}

fn digest(
    name: &InstanceName,
    instances: &BTreeMap<InstanceName, Instance>,
    before: &BTreeMap<InstanceName, Instance>,
    digests: &mut BTreeMap<InstanceName, String>,
) -> String {
    let (Some(instance), None) = (instances.get(name), digests.get(name)) else {
        return digests.get(name).cloned().unwrap_or_default();
    };
    // This entry would also end a circle of dependencies, although there is none.
    digests.insert(name.clone(), String::new());
    let follows: BTreeMap<String, String> =
        instance.follows.iter().map(|other| (other.to_string(), digest(other, instances, before, digests))).collect();
    let earlier = |name: &InstanceName| before.get(name).map(|instance| content_digest(&instance.digest));
    let has_digest =
        |other: &InstanceName| earlier(other).is_some() && earlier(other) == digests.get(other).map(String::as_str);
    let is_as_before = before.get(name).is_some_and(|before| covered(before) == covered(instance))
        && instance.follows.iter().all(has_digest);
    let digest = match earlier(name).filter(|_| is_as_before) {
        Some(earlier) => earlier.to_owned(),
        None => of_contents(instance, &follows),
    };
    digests.insert(name.clone(), digest.clone());
    digest
}

fn of_contents(instance: &Instance, follows: &BTreeMap<String, String>) -> String {
    let mut value = covered(instance);
    // The field is left out if it is empty, so that it does not change the digests of instances without it.
    if !follows.is_empty() {
        value["follows"] = json!(follows);
    }
    value.sort_all_objects();
    blake3::hash(value.to_string().as_bytes()).to_hex().to_string()
}

/// What the digest covers of an instance alone.
fn covered(instance: &Instance) -> Value {
    let mut container = Container::clone(&instance.container);
    // The MAC says the same as the epoch.
    container.networks.iter_mut().for_each(|end| end.epoch = 0);
    let mut value = json!({ "container": container, "files": instance.files });
    if !container.files.is_empty() {
        value["container"]["files"] = container.files.iter().map(placed_file).collect();
    }
    value
}

/// A secret or config as digests have always covered it: with its contents, and without the digest that stands for them unless the
/// contents are not known.
fn placed_file(file: &PlacedFile) -> Value {
    let Some(contents) = &file.contents else { return json!(file) };
    let mut value = json!(PlacedFile { digest: String::new(), ..file.clone() });
    value["contents"] = json!(contents);
    value
}
