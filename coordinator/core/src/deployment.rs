//! Compiled stack: its containers with their hosts and addresses. A release records it.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::container::Container;
use crate::network::NetworkSpec;
pub use landfast_agreement::{InstanceName, StackService};
pub use landfast_compose::model::Condition;

/// Compiled form of one stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Name of the stack.
    pub stack: String,
    /// Name of the Compose project on the hosts; empty in releases of versions that always used the name of the stack.
    #[serde(default)]
    pub project: String,
    /// Environment that the stack was compiled for, as in `dev`.
    pub env: Option<String>,
    /// Digest of the bundle's manifest.
    pub manifest_digest: String,
    /// Number of the release, for containers that this deployment creates.
    pub release: u64,
    /// All instances by name.
    pub instances: BTreeMap<InstanceName, Instance>,
    /// Dependencies and update rules by service.
    pub services: BTreeMap<String, Service>,
    /// Networks of the stack by key, without those of the fleet.
    pub networks: BTreeMap<String, Network>,
    /// Volumes of the stack by key, without external ones.
    pub volumes: BTreeMap<String, Volume>,
}

impl Deployment {
    /// Images that each host needs, as reference and fingerprint.
    pub fn images(&self) -> BTreeMap<&str, BTreeSet<(&str, &str)>> {
        let mut images: BTreeMap<&str, BTreeSet<(&str, &str)>> = BTreeMap::new();
        for instance in self.instances.values() {
            let container = &instance.container;
            let image = (container.image.as_str(), container.image_fingerprint.as_str());
            images.entry(&instance.host).or_default().insert(image);
        }
        images
    }

    /// Gives every instance a new digest, so that its container is recreated without a change (`up --force-recreate`).
    pub fn force_recreate(&mut self) {
        for instance in self.instances.values_mut() {
            instance.digest = format!("{}+{}", content_digest(&instance.digest), self.release);
        }
    }

    /// Name of the Compose project on the hosts.
    pub fn project(&self) -> &str {
        if self.project.is_empty() { &self.stack } else { &self.project }
    }

    /// Digests of the secrets and configs that its containers need.
    pub fn secrets(&self) -> BTreeSet<String> {
        let files = self.instances.values().flat_map(|instance| &instance.container.files);
        files.map(|file| file.digest.clone()).collect()
    }

    /// Hosts that run instances of the stack.
    pub fn hosts(&self) -> BTreeSet<&str> {
        self.instances.values().map(|instance| instance.host.as_str()).collect()
    }
}

/// The stacks that are compiled in this run, of which nothing that the hosts hold counts: this one and those before it.
pub(crate) fn replaced<'a>(stack: &'a str, beside: &'a [Deployment]) -> BTreeSet<&'a str> {
    beside.iter().map(|other| other.stack.as_str()).chain([stack]).collect()
}

/// Part of a digest that covers the contents. The digest of a container that was recreated on request ends with the release
/// of that request: `<content>+<release>`.
pub(crate) fn content_digest(digest: &str) -> &str {
    digest.split_once('+').map_or(digest, |(content, _)| content)
}

/// Decides the address that a published port is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundBy {
    /// The default: loopback.
    Default,
    /// `publish` in `landfast.toml`.
    Publish,
    /// The address in the compose file.
    ComposeFile,
}

/// Compiled form of one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Host that runs the instance.
    pub host: String,
    /// Reason for the host, as in `[stacks.demo.place] web = "alpha" (landfast.toml:12:1) places it`.
    pub placed: String,
    /// Digest of everything that determines the container.
    pub digest: String,
    /// Container that is created. It is shared with the states that have the instance.
    pub container: Arc<Container>,
    /// What decided the address of each published port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bound: Vec<BoundBy>,
    /// Files of the bundle that the container mounts, with their contents, keyed by path in the bundle.
    pub files: BTreeMap<String, String>,
    /// Instances with which this one is recreated.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub follows: BTreeSet<InstanceName>,
}

/// Dependencies and update rules of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Dependencies, sorted by name.
    pub depends_on: Vec<Dependency>,
    /// Number of instances that are updated at the same time; 0 for all.
    pub parallelism: u32,
    /// How long an updated instance without a health check must run before it counts as updated, in milliseconds.
    #[serde(default)]
    pub monitor_ms: u64,
}

/// A service that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependency {
    /// Name of the service in the same stack.
    pub service: String,
    /// Condition that must hold.
    pub condition: Condition,
}

/// A network of the stack. Every host with an instance on it has a separate bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Name in the engine.
    pub name: String,
    /// What the engine creates it from.
    #[serde(flatten)]
    pub spec: NetworkSpec,
}

/// A volume of the stack. Every host with an instance that mounts it has one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Name in the engine.
    pub name: String,
    /// Driver; empty for the engine's default.
    pub driver: String,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels of the volume.
    pub labels: BTreeMap<String, String>,
}
