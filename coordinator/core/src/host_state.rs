//! Desired state of one host, as values. The fields are those of `landfast.v1.HostState`, which explains each of them.
#![allow(missing_docs)] // The fields are those of the wire, and host_state.proto explains them.
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::container::Container;
use crate::deployment::InstanceName;
use crate::fabric::Fabric;

pub use crate::deployment::{Condition, Dependency};
pub use crate::network::{NetworkSpec, Pool};

/// Desired state of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostState {
    pub fleet: String,
    pub host: String,
    pub epoch: u64,
    pub generation: u64,
    /// Sorted by name.
    pub networks: Vec<Network>,
    /// Sorted by name.
    pub volumes: Vec<Volume>,
    /// Sorted by stack.
    pub trees: Vec<Tree>,
    /// Sorted by name and incarnation.
    pub instances: Vec<Instance>,
    /// Addresses and names of the fleet. It is shared with the other hosts and never stored, because all hosts keep it.
    #[serde(skip)]
    pub fabric: Arc<Fabric>,
}

impl HostState {
    /// The instance with this name, if it should run on this host. Of several incarnations, it is the newest that is wanted to
    /// run.
    pub fn instance(&self, name: &InstanceName) -> Option<&Instance> {
        self.incarnations(name).filter(|instance| instance.wanted == Wanted::Run).max_by_key(|it| it.incarnation)
    }

    /// The incarnations of the instance with this name.
    pub fn incarnations(&self, name: &InstanceName) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(move |instance| instance.name == *name)
    }

    /// One incarnation of each instance, sorted by name: the newest that is wanted to run, or else the newest.
    pub fn main(&self) -> impl Iterator<Item = &Instance> {
        let rank = |instance: &Instance| (instance.wanted == Wanted::Run, instance.incarnation);
        let mut main: BTreeMap<&InstanceName, &Instance> = BTreeMap::new();
        for instance in &self.instances {
            if main.get(&instance.name).is_none_or(|other| rank(other) < rank(instance)) {
                main.insert(&instance.name, instance);
            }
        }
        main.into_values()
    }

    /// The instances that should run on this host, sorted by name: the newest incarnation of each that is wanted to run.
    pub fn running(&self) -> impl Iterator<Item = &Instance> {
        self.main().filter(|instance| instance.wanted == Wanted::Run)
    }

    /// Whether two states are equal except for epoch and generation.
    pub fn same_contents(&self, other: &Self) -> bool {
        self.same_parts(other) && self.fabric == other.fabric
    }

    /// Whether two states are equal except for epoch, generation and fabric.
    pub fn same_parts(&self, other: &Self) -> bool {
        let Self { fleet, host, epoch: _, generation: _, networks, volumes, trees, instances, fabric: _ } = self;
        (fleet, host, networks) == (&other.fleet, &other.host, &other.networks)
            && (volumes, trees, instances) == (&other.volumes, &other.trees, &other.instances)
    }

    /// The networks of the fleet, each with the LAN address of this host.
    pub fn fleet_networks(&self) -> impl Iterator<Item = (&Network, Ipv4Addr)> {
        self.networks.iter().filter_map(|network| Some((network, network.overlay.as_ref()?.local)))
    }
}

/// A network on this host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    pub name: String,
    pub stack: String,
    pub key: String,
    /// What the engine creates it from.
    #[serde(flatten)]
    pub spec: NetworkSpec,
    pub overlay: Option<Overlay>,
    /// Name of the Compose project; empty if it is the name of the stack.
    #[serde(default)]
    pub project: String,
}

/// Connection of a network to the other hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    pub vni: u32,
    /// LAN address of this host.
    pub local: Ipv4Addr,
    pub mtu: u32,
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
    /// Name of the Compose project; empty if it is the name of the stack.
    #[serde(default)]
    pub project: String,
    /// Sorted by name.
    #[serde(default)]
    pub users: Vec<InstanceName>,
}

impl Volume {
    /// Name of the Compose project that the volume belongs to.
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

/// An instance on this host. Its name holds `stack`, `service` and `index` of the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    pub name: InstanceName,
    pub release: u64,
    pub digest: String,
    /// Shared by all states that have the instance.
    pub container: Arc<Container>,
    /// Dependencies, including services on other hosts.
    pub depends_on: Vec<Dependency>,
    pub stopped: bool,
    /// Number of the container among all that were made for the instance; 0 if it was made by a version that did not number
    /// them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub incarnation: u64,
    #[serde(default, skip_serializing_if = "Wanted::is_run")]
    pub wanted: Wanted,
    /// Greatest number that was given to the instance, if it is not `incarnation`; 0 otherwise.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub last_incarnation: u64,
}

impl Instance {
    /// Whether two entries are equal except for the numbers of their containers.
    pub fn is_same(&self, other: &Self) -> bool {
        let Self { name, release, digest, container, depends_on, stopped, wanted, incarnation: _, last_incarnation: _ } =
            self;
        (name, release, digest, container) == (&other.name, &other.release, &other.digest, &other.container)
            && (depends_on, stopped, wanted) == (&other.depends_on, &other.stopped, &other.wanted)
    }
}

/// What is wanted of an incarnation of an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// The container exists and runs.
    #[default]
    Run,
    /// The container keeps running if it exists. Its names are not answered any more.
    Drain,
    /// The container is removed. Its addresses stay held until the state does not list it any more.
    Gone,
}

impl Wanted {
    fn is_run(&self) -> bool {
        *self == Self::Run
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
