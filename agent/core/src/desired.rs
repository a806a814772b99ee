//! What a host must be: the part of the assigned host state that decisions are made from.
//!
//! What a container is created from is not here. Decisions know an [`Instance`] by its digest, and the executor looks the
//! rest up by its name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use landfast_agreement::InstanceName;

use crate::elsewhere::{Address, Elsewhere};
use crate::overlay;

/// Everything that the host must be. What belongs to a managed stack and is not named here is removed, except volumes. What
/// belongs to another stack is unmanaged: it is never touched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// Managed stacks: those of which the host holds a state or a removal.
    pub stacks: BTreeSet<String>,
    /// Whether the networks of the fleet are managed.
    pub manages_fleet_networks: bool,
    /// Networks by the engine's names for them.
    pub networks: BTreeMap<String, Network>,
    /// Networks that several stacks define differently, by the engine's names for them.
    pub disputes: BTreeMap<String, Dispute>,
    /// Volumes by the engine's names for them.
    pub volumes: BTreeMap<String, Volume>,
    /// Digests of the manifests that the live trees must match, by stack.
    pub trees: BTreeMap<String, String>,
    /// Instances with their containers. An instance may have several incarnations side by side.
    pub instances: BTreeMap<Incarnation, Instance>,
    /// What the fabric has on other hosts.
    pub elsewhere: Elsewhere,
}

/// One of the containers that are made for an instance: one after another, or side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Incarnation {
    /// Name of the instance.
    pub instance: InstanceName,
    /// Number of the container, which grows with each that is made for the instance. 0 is a container of an earlier version,
    /// which did not number them.
    pub number: u64,
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Incarnation { instance, number } = self;
        if *number == 0 { write!(f, "{instance}") } else { write!(f, "{instance} (incarnation {number})") }
    }
}

impl Desired {
    /// Whether the parts of a stack may be removed. `stack` is empty for a network of the fleet.
    pub fn manages(&self, stack: &str) -> bool {
        if stack.is_empty() { self.manages_fleet_networks } else { self.stacks.contains(stack) }
    }

    /// The incarnations of an instance, the oldest first.
    pub fn incarnations(&self, name: &InstanceName) -> impl DoubleEndedIterator<Item = (&Incarnation, &Instance)> {
        let at = |number| Incarnation { instance: name.clone(), number };
        self.instances.range(at(0)..=at(u64::MAX))
    }

    /// The incarnation that stands for the instance: the newest that is wanted to run, or else the newest.
    pub fn main(&self, name: &InstanceName) -> Option<&Incarnation> {
        let is_wanted = |(_, instance): &(&Incarnation, &Instance)| instance.wanted == Wanted::Run;
        let newest = self.incarnations(name).rev().find(is_wanted).or(self.incarnations(name).next_back());
        newest.map(|(incarnation, _)| incarnation)
    }

    /// Whether several incarnations of the instance stand side by side.
    pub fn is_side_by_side(&self, name: &InstanceName) -> bool {
        self.incarnations(name).nth(1).is_some()
    }

    /// The incarnation that the container with this number belongs to. A container that no incarnation names is of the main
    /// one, which replaces it. If the instance is not desired, the container is an incarnation of its own.
    pub fn incarnation_of(&self, instance: &InstanceName, number: u64) -> Incarnation {
        let own = Incarnation { instance: instance.clone(), number };
        if self.instances.contains_key(&own) { own } else { self.main(instance).cloned().unwrap_or(own) }
    }
}

/// A network of the engine. The engine chooses the value of an empty field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    /// Driver, such as `bridge`.
    pub driver: String,
    /// Subnets, such as `172.19.0.0/16`.
    pub subnets: Vec<String>,
    /// Addresses of the gateways, which this host holds.
    pub gateways: Vec<String>,
    /// Whether the network has no connection to the outside.
    pub internal: bool,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Overlay of a network that spans hosts; `None` for other networks.
    pub overlay: Option<overlay::Desired>,
}

/// A network that several stacks define differently. It is neither created nor removed. If it exists, the instances of the
/// stacks whose definition it fits may use it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dispute {
    /// Which stacks define it, and how their definitions differ.
    pub message: String,
    /// Definitions by stack.
    pub definitions: BTreeMap<String, Network>,
}

/// A volume. It is created when it is missing, and removed only on request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Volume {
    /// Driver of the volume; empty for `local`.
    pub driver: String,
    /// Whether to remove the volume with its data.
    pub remove: bool,
}

/// One instance with its container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Instance {
    /// Digest of everything that makes the container what it is.
    pub digest: String,
    /// Name of the container.
    pub container: String,
    /// Reference of the image, as written.
    pub image: String,
    /// Fingerprint of the image that the reference must resolve to; empty if any image with that reference will do.
    pub fingerprint: String,
    /// Networks that the container is attached to, by the engine's names for them.
    pub networks: BTreeSet<String>,
    /// Volumes that the container mounts, by the engine's names for them.
    pub volumes: BTreeSet<String>,
    /// Whether the container mounts a part of its stack's live tree.
    pub mounts_tree: bool,
    /// Instances of this host whose namespaces the container shares. It cannot outlive their containers.
    pub joins: BTreeSet<Incarnation>,
    /// Instances of this host whose volumes the container mounts. Their containers must exist when it is created.
    pub volumes_from: BTreeSet<Incarnation>,
    /// Addresses and ports that only one running container can hold.
    pub claims: BTreeSet<Claim>,
    /// Fixed addresses of the container, each with the epoch in which it was assigned; 0 outside the networks of the fleet.
    pub addresses: BTreeMap<Address, u64>,
    /// When the engine starts the container again.
    pub restart: Restart,
    /// Services of the same stack that must reach a condition before this container starts, unless it only continues after
    /// an update.
    pub depends_on: Vec<Dependency>,
    /// Whether the container must exist and not run.
    pub stopped: bool,
    /// What is wanted of this incarnation.
    pub wanted: Wanted,
}

/// What is wanted of an incarnation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// The container exists, and runs unless it is to be stopped.
    #[default]
    Run,
    /// The container keeps running if it exists, and is not created.
    Drain,
    /// The container does not exist.
    Gone,
}

/// Something that only one running container can hold at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// A fixed address on a network.
    Address {
        /// Name of the network on the engine.
        network: String,
        /// Address without the prefix length.
        address: String,
    },
    /// A port of the host.
    Port {
        /// Address of the host; empty for all of its addresses.
        address: String,
        /// Number of the port, never 0.
        port: u16,
        /// Protocol: `tcp`, `udp` or `sctp`.
        protocol: String,
    },
}

impl Claim {
    /// Whether two containers that make these claims cannot run at the same time.
    pub fn clashes(&self, other: &Claim) -> bool {
        match (self, other) {
            (Claim::Port { address: a, port: p, protocol: t }, Claim::Port { address: b, port: q, protocol: u }) => {
                p == q && t == u && (a == b || everywhere(a) || everywhere(b))
            }
            _ => self == other,
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Claim::Address { network, address } => write!(f, "address {address} of {network}"),
            Claim::Port { port, protocol, .. } => write!(f, "port {port}/{protocol}"),
        }
    }
}

fn everywhere(address: &str) -> bool {
    matches!(address, "" | "0.0.0.0" | "::")
}

/// The engine's restart policies, as far as they change a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// The container runs once. It is a job if it exits with 0.
    #[default]
    No,
    /// The engine starts the container again after a failure, up to its limit.
    OnFailure,
    /// The engine always starts the container again: `always` and `unless-stopped`.
    Always,
}

/// Another service of the same stack to wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Name of the service.
    pub service: String,
    /// Condition that the service must reach.
    pub condition: Condition,
}

/// Condition that a dependency must reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The dependency has started.
    Started,
    /// The dependency is healthy, or runs if it has no health check.
    Healthy,
    /// The dependency has exited with 0.
    Completed,
}
