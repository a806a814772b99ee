//! One stack, decided: which containers, where, at which addresses and why. What a release keeps.
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::container::Container;
pub use landfast_agreement::{InstanceName, StackService as ServiceName};
pub use landfast_compose::model::Condition;

/// One stack, decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The stack.
    pub stack: String,
    /// Name of the Compose project on the hosts; empty in a release made when it was always the stack's.
    #[serde(default)]
    pub project: String,
    /// The environment it was compiled for: `dev`.
    pub env: Option<String>,
    /// The bundle.
    pub manifest_digest: String,
    /// The release's number, for what this deployment makes or makes again.
    pub release: u64,
    /// Every container.
    pub instances: BTreeMap<InstanceName, Instance>,
    /// By service: what it waits for and how it is updated.
    pub services: BTreeMap<String, Service>,
    /// The stack's own networks by key; fleet networks are the fleet's.
    pub networks: BTreeMap<String, Network>,
    /// The stack's volumes by key, but for external ones.
    pub volumes: BTreeMap<String, Volume>,
}

impl Deployment {
    /// By host, the images it needs: reference and fingerprint.
    pub fn images(&self) -> BTreeMap<&str, BTreeSet<(&str, &str)>> {
        let mut images: BTreeMap<&str, BTreeSet<(&str, &str)>> = BTreeMap::new();
        for instance in self.instances.values() {
            let container = &instance.container;
            let image = (container.image.as_str(), container.image_fingerprint.as_str());
            images.entry(&instance.host).or_default().insert(image);
        }
        images
    }

    /// Every container is to be another one, though nothing about it changed (`up --force-recreate`).
    pub fn force_recreate(&mut self) {
        for instance in self.instances.values_mut() {
            instance.digest = format!("{}+{}", content_digest(&instance.digest), self.release);
        }
    }

    /// Name of the Compose project on the hosts.
    pub fn project(&self) -> &str {
        if self.project.is_empty() { &self.stack } else { &self.project }
    }

    /// The hosts that run a part of it.
    pub fn hosts(&self) -> BTreeSet<&str> {
        self.instances.values().map(|instance| instance.host.as_str()).collect()
    }
}

/// The part of a digest that is about contents; after it, of a container that was made again on request, stands the
/// release in which it was: `<content>+<release>`.
pub(crate) fn content_digest(digest: &str) -> &str {
    digest.split_once('+').map_or(digest, |(content, _)| content)
}

/// What said where a published port is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundBy {
    /// Nothing: it is on loopback.
    Default,
    /// `publish` of `landfast.toml`.
    Publish,
    /// The address in the compose file.
    ComposeFile,
}

/// One container, decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Where it runs.
    pub host: String,
    /// Why there: `[stacks.demo.place] web = "alpha" (landfast.toml:12:1) places it`.
    pub placed: String,
    /// Of all that makes the container what it is.
    pub digest: String,
    /// What it is created from.
    pub container: Container,
    /// What said where its published ports are bound, port by port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bound: Vec<BoundBy>,
    /// The bundle's files that it mounts: path in the bundle > what it is there.
    pub files: BTreeMap<String, String>,
    /// The instances with which it is made again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub follows: BTreeSet<InstanceName>,
}

/// What a service waits for and how it is updated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// In the order of their names.
    pub depends_on: Vec<Dependency>,
    /// How many instances are updated at a time; 0 for all.
    pub parallelism: u32,
    /// How long an updated instance without a health check must run before it counts as updated, in milliseconds.
    #[serde(default)]
    pub monitor_ms: u64,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependency {
    /// Of the same stack.
    pub service: String,
    /// What must hold.
    pub condition: Condition,
}

/// A network of the stack, bridge-local on every host that has an instance on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The engine's name.
    pub name: String,
    /// Empty: the engine's default.
    pub driver: String,
    /// Empty: the engine chooses.
    pub subnet: String,
    /// Empty: the engine chooses.
    pub gateway: String,
    /// Without a way out.
    pub internal: bool,
    /// Open to containers outside the stack.
    pub attachable: bool,
    /// With IPv6.
    pub ipv6: bool,
    /// Of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Where addresses come from, when `subnet` and `gateway` do not say it all; then all pools.
    #[serde(default)]
    pub pools: Vec<Pool>,
    /// Who hands addresses out; empty: the engine's default.
    #[serde(default)]
    pub ipam_driver: String,
    /// Of that driver.
    #[serde(default)]
    pub ipam_options: BTreeMap<String, String>,
    /// With IPv4, when the file says.
    #[serde(default)]
    pub ipv4: Option<bool>,
}

/// Where a network's addresses come from; what is empty is the engine's choice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// `172.19.0.0/16`.
    pub subnet: String,
    /// An address in it.
    pub gateway: String,
    /// The part of it that is handed out.
    pub ip_range: String,
    /// Addresses that are taken, by name.
    pub aux_addresses: BTreeMap<String, String>,
}

/// A volume of the stack, on every host that has an instance which mounts it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// The engine's name.
    pub name: String,
    /// Empty: the engine's default.
    pub driver: String,
    /// Of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}
