//! Computes the digest of the configuration of a service, as `config --hash` prints it.
//!
//! The reference labels containers with this digest, and recreates them when it changes. The digest is the SHA-256 of the
//! service as compact JSON, with unescaped `$` and without extension keys. It leaves out the keys that do not affect a
//! container: how the image is built and pulled, the number of instances, dependencies, and profiles. The keys have the order
//! of Compose 2, and not the order in which later versions print them, so that existing containers are kept.
use hex::encode;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{Form, Layout, adapt, json_text};
use crate::loaded::Loaded;
use crate::schema::keys;
use crate::text::node::Node;

/// The keys of the digest in their order.
const ORDER: [&str; 87] = [
    "annotations",
    "attach",
    "develop",
    "blkio_config",
    "cap_add",
    "cap_drop",
    "cgroup_parent",
    "cgroup",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpus",
    "cpuset",
    "cpu_shares",
    "command",
    "configs",
    "container_name",
    "credential_spec",
    "deploy",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "provider",
    "environment",
    "env_file",
    "expose",
    "extends",
    "external_links",
    "extra_hosts",
    "group_add",
    "gpus",
    "hostname",
    "healthcheck",
    "image",
    "init",
    "ipc",
    "isolation",
    "labels",
    "label_file",
    "links",
    "logging",
    "mem_limit",
    "mem_reservation",
    "memswap_limit",
    "mem_swappiness",
    "mac_address",
    "models",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "privileged",
    "read_only",
    "restart",
    "runtime",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "use_api_socket",
    "user",
    "userns_mode",
    "uts",
    "volumes",
    "volumes_from",
    "working_dir",
    "pre_start",
    "post_start",
    "pre_stop",
];

/// Returns the name and the hexadecimal digest of each service.
pub fn service_digests(loaded: Loaded) -> Vec<(String, String)> {
    let mut tree = loaded.tree;
    let services = tree.remove_key("services").and_then(Node::into_map).unwrap_or_default();
    services.into_iter().map(|(name, service)| (name, digest(service))).collect()
}

fn digest(mut service: Node) -> String {
    if let Some(deploy) = service.at_key_mut("deploy") {
        deploy.remove_key("replicas");
    }
    let mut service: Json = Form::Json.value(service, Some(&keys::SERVICE_SHAPE));
    adapt(&mut service, Form::Json);
    let in_order = ORDER.iter().filter_map(|key| Some(((*key).to_owned(), service.get_mut(key)?.take())));
    encode(Sha256::digest(json_text(&Json::Object(in_order.collect()), Layout::Compact)))
}
