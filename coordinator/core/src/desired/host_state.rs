//! All that one host must be, as values: field for field `landfast.v1.HostState`, where each field is explained.
#![allow(missing_docs)] // The fields are the wire's: host_state.proto says what each one means.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::container::Container;
use crate::deployment::InstanceName;

pub use crate::deployment::{Condition, Dependency, Pool};

/// All that one host must be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostState {
    pub fleet: String,
    pub host: String,
    pub epoch: u64,
    pub generation: u64,
    /// By name.
    pub networks: Vec<Network>,
    /// By name.
    pub volumes: Vec<Volume>,
    /// By stack.
    pub trees: Vec<Tree>,
    /// By name.
    pub instances: Vec<Instance>,
    /// By name.
    pub names: Vec<Name>,
}

impl HostState {
    /// What this host must be of one instance.
    pub fn instance(&self, name: &InstanceName) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.name == *name)
    }

    /// Equal but for epoch and generation.
    pub fn same_contents(&self, other: &Self) -> bool {
        let Self { fleet, host, epoch: _, generation: _, networks, volumes, trees, instances, names } = self;
        (fleet, host, networks) == (&other.fleet, &other.host, &other.networks)
            && (volumes, trees, instances, names) == (&other.volumes, &other.trees, &other.instances, &other.names)
    }
}

/// A network on this host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    pub name: String,
    pub stack: String,
    pub key: String,
    pub driver: String,
    pub subnet: String,
    pub gateway: String,
    pub internal: bool,
    pub attachable: bool,
    pub ipv6: bool,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    pub overlay: Option<Overlay>,
    #[serde(default)]
    pub pools: Vec<Pool>,
    #[serde(default)]
    pub ipam_driver: String,
    #[serde(default)]
    pub ipam_options: BTreeMap<String, String>,
    #[serde(default)]
    pub ipv4: Option<bool>,
    /// Empty: the stack's name.
    #[serde(default)]
    pub project: String,
}

impl Network {
    /// Those that are written, each once.
    pub fn subnets(&self) -> impl Iterator<Item = &str> {
        let pools = self.pools.iter().map(|pool| pool.subnet.as_str()).filter(|subnet| *subnet != self.subnet);
        [self.subnet.as_str()].into_iter().chain(pools).filter(|subnet| !subnet.is_empty())
    }

    /// Those that are written, each once.
    pub fn gateways(&self) -> impl Iterator<Item = &str> {
        let pools = self.pools.iter().map(|pool| pool.gateway.as_str()).filter(|gateway| *gateway != self.gateway);
        [self.gateway.as_str()].into_iter().chain(pools).filter(|gateway| !gateway.is_empty())
    }
}

/// How a network reaches the other hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    pub vni: u32,
    pub local: String,
    pub mtu: u32,
    /// By address.
    pub neighbours: Vec<Neighbour>,
}

/// An address that is elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Neighbour {
    pub address: String,
    pub mac: String,
    pub host: String,
}

/// A volume on this host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    pub name: String,
    pub stack: String,
    pub key: String,
    pub driver: String,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    pub remove: bool,
    /// Empty: the stack's name.
    #[serde(default)]
    pub project: String,
    /// In the order of their names.
    #[serde(default)]
    pub users: Vec<InstanceName>,
}

impl Volume {
    /// Name of the Compose project that it belongs to.
    pub fn project(&self) -> &str {
        if self.project.is_empty() { &self.stack } else { &self.project }
    }
}

/// A stack's live tree on this host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    pub stack: String,
    pub manifest: String,
}

/// A name of the fleet's DNS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    pub name: String,
    pub addresses: Vec<String>,
}

/// An instance on this host; `stack`, `service` and `index` of the wire are its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    pub name: InstanceName,
    pub release: u64,
    pub digest: String,
    pub container: Container,
    /// What it waits for; services that are on other hosts included.
    pub depends_on: Vec<Dependency>,
    pub stopped: bool,
}
