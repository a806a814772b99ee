//! What makes a container another container.
use std::collections::BTreeMap;

use serde_json::json;

use crate::container::Container;

/// BLAKE3, in lower-case hex, of the container and of the files of the bundle that it mounts.
///
/// Releases, names, neighbours and other instances' addresses are not in it: they change without a restart.
pub(super) fn digest(container: &Container, files: &BTreeMap<String, String>) -> String {
    let mut value = json!({ "container": container, "files": files });
    value.sort_all_objects();
    blake3::hash(value.to_string().as_bytes()).to_hex().to_string()
}
