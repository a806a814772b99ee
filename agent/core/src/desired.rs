//! What a host must be: of the assigned host state, the part that decisions are made from.
//!
//! What a container is created from is not here: an [`Instance`] is known by its digest, and whoever creates it looks
//! the rest up by its name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::overlay;

/// One container of a service of a stack: `data/postgres.1`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceName {
    /// The stack.
    pub stack: String,
    /// The service in it.
    pub service: String,
    /// Which one of the service, from 1.
    pub index: u32,
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}", self.stack, self.service, self.index)
    }
}

/// All that the host must be. What is ours and not named here is removed, volumes excepted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// By the engine's name.
    pub networks: BTreeMap<String, Network>,
    /// By the engine's name.
    pub volumes: BTreeMap<String, Volume>,
    /// Stack > digest of the manifest its live tree must be.
    pub trees: BTreeMap<String, String>,
    /// The containers.
    pub instances: BTreeMap<InstanceName, Instance>,
}

/// A network of the engine. Empty texts leave the choice to the engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    /// bridge, …
    pub driver: String,
    /// 172.19.0.0/16
    pub subnets: Vec<String>,
    /// This host's own.
    pub gateways: Vec<String>,
    /// Without a way out.
    pub internal: bool,
    /// The driver's.
    pub options: BTreeMap<String, String>,
    /// Present for a network that spans hosts.
    pub overlay: Option<overlay::Desired>,
}

/// A volume: made when missing, removed only when that is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Volume {
    /// To be removed, with its data.
    pub remove: bool,
}

/// One container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Instance {
    /// Of everything that makes the container what it is.
    pub digest: String,
    /// The container's name.
    pub container: String,
    /// The image's reference, as written.
    pub image: String,
    /// What the reference must resolve to; empty when any image by that reference will do.
    pub fingerprint: String,
    /// Engine's names of the networks it is attached to.
    pub networks: BTreeSet<String>,
    /// Engine's names of the volumes it mounts.
    pub volumes: BTreeSet<String>,
    /// Mounts something of its stack's live tree.
    pub mounts_tree: bool,
    /// Instances of this host in whose namespaces it runs: it cannot outlive their containers.
    pub joins: BTreeSet<InstanceName>,
    /// Instances of this host whose volumes it mounts: their containers must be there when its own is made.
    pub volumes_from: BTreeSet<InstanceName>,
    /// What only one running container can hold.
    pub claims: BTreeSet<Claim>,
    /// When the engine starts it again.
    pub restart: Restart,
    /// Other services of the stack that must have come so far before this one starts from rest.
    pub depends_on: Vec<Dependency>,
    /// Not to run, but to stay.
    pub stopped: bool,
}

/// What only one running container can hold at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// An address of its own choice on a network.
    Address {
        /// Engine's name of the network.
        network: String,
        /// Without the prefix length.
        address: String,
    },
    /// A port of the host.
    Port {
        /// Host address; empty for all of them.
        address: String,
        /// Never 0.
        port: u16,
        /// tcp, udp, sctp
        protocol: String,
    },
}

impl Claim {
    /// Whether one holder of each cannot run at the same time.
    pub fn clashes(&self, other: &Claim) -> bool {
        match (self, other) {
            (Claim::Port { address: a, port: p, protocol: t }, Claim::Port { address: b, port: q, protocol: u }) => {
                p == q && t == u && (a == b || everywhere(a) || everywhere(b))
            }
            _ => self == other,
        }
    }
}

fn everywhere(address: &str) -> bool {
    matches!(address, "" | "0.0.0.0" | "::")
}

/// The engine's restart policies, as far as they change what we do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// Runs once: a job, when it exits with 0.
    #[default]
    No,
    /// The engine starts it again after a failure, up to its limit.
    OnFailure,
    /// The engine starts it again, always: `always` and `unless-stopped`.
    Always,
}

/// Another service of the same stack to wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The service.
    pub service: String,
    /// How far it must have come.
    pub condition: Condition,
}

/// How far a dependency must have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Started.
    Started,
    /// Healthy, or running where there is no health check.
    Healthy,
    /// Exited with 0.
    Completed,
}
