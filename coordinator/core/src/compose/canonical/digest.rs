//! The digest of a service's configuration, `config --hash`: the reference writes it on its containers and compares it to
//! know whether they are to be made again.
//!
//! It is the SHA-256 of the JSON of what the reference's service holds, without what does not make a container: how the
//! image is built and pulled, how many instances there are, on what they depend, and which profiles enable them. The
//! order of its keys is that of the table, `$` stands alone, and keys of the user's own are not in it.
use hex::encode;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{Form, Layout, adapt, json_text};
use crate::compose::Loaded;
use crate::compose::schema::{Shape, keys};
use crate::compose::text::node::Node;

static SERVICE: Shape = Shape::Object(&keys::SERVICE);

/// The name of each service and its digest, in hexadecimal.
pub fn service_digests(loaded: Loaded) -> Vec<(String, String)> {
    let mut tree = loaded.tree;
    let services = tree.remove_key("services").and_then(Node::into_map).unwrap_or_default();
    services.into_iter().map(|(name, service)| (name, digest(service))).collect()
}

fn digest(mut service: Node) -> String {
    for key in ["build", "pull_policy", "scale", "depends_on", "profiles"] {
        service.remove_key(key);
    }
    if let Some(deploy) = service.at_key_mut("deploy") {
        deploy.remove_key("replicas");
    }
    let mut service: Json = Form::Json.value(service, Some(&SERVICE));
    adapt(&mut service, Form::Json);
    encode(Sha256::digest(json_text(&service, Layout::Compact)))
}
