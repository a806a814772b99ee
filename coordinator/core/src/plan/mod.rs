//! What would change and why, in the order in which it would: what is printed before anything is touched.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::deployment::{Condition, Deployment, InstanceName};
use crate::desired::{HostState, Started};
use crate::report::Report;

pub mod conflict;
mod diff;
mod order;
mod print;
mod published;
mod reasons;
mod scene;
pub mod sources;

pub use conflict::{Conflict, EngineNetwork, EngineVolume, Found, UsedPort, conflicts};
pub use diff::diff;
pub use published::Published;

/// What would change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// In order; those that do not wait for each other may go together.
    pub steps: Vec<Step>,
    /// To be known before saying yes.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Nothing would change.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A network is made on a host.
    CreateNetwork,
    /// A volume is made on a host.
    CreateVolume,
    /// A stack's live tree becomes another bundle on a host.
    Sync,
    /// A new instance.
    Create,
    /// An instance that is as it should be but does not run.
    Start,
    /// Another container for an instance, on the same host.
    Recreate,
    /// An instance goes to another host.
    Move,
    /// An instance goes.
    Remove,
    /// A stack's live tree goes from a host; data beside the bundle's files stays.
    RemoveTree,
    /// A network goes from a host.
    RemoveNetwork,
    /// A volume and its data go from a host.
    RemoveVolume,
    /// What a host knows of the others changes, and nothing else there.
    Configure,
}

impl Action {
    /// It makes or changes a container.
    pub fn is_change(self) -> bool {
        matches!(self, Self::Create | Self::Start | Self::Recreate | Self::Move)
    }

    /// It replaces a container that is there: one service at a time.
    pub fn is_update(self) -> bool {
        matches!(self, Self::Recreate | Self::Move)
    }

    /// It is about an instance.
    pub fn is_about_instance(self) -> bool {
        self.is_change() || self == Self::Remove
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What.
    pub action: Action,
    /// Whose; empty for what belongs to the fleet.
    pub stack: String,
    /// Of an instance; else empty.
    pub service: String,
    /// The instance (`data/postgres.1`), or the network's or volume's name; empty for a tree.
    pub instance: String,
    /// Where.
    pub host: String,
    /// Where it was, of a move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Why: what exactly changed.
    pub reasons: Vec<String>,
    /// Addresses on fleet networks, as `infra_net 172.19.0.50`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Published ports, of an instance that is made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Published>,
    /// The service does not answer while this happens.
    #[serde(default)]
    pub interrupts: bool,
    /// Earlier steps, by their place in the plan, that must be done first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<usize>,
    /// What must hold of other services of the stack before it begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<Wait>,
    /// With how many steps of the same service it may go together; 0 for all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub parallelism: u32,
    /// How long the new container must run without ending before the step is done, when it has no health check: in
    /// milliseconds.
    #[serde(default, skip_serializing_if = "is_none")]
    pub monitor_ms: u64,
}

impl Step {
    /// The instance it is about.
    pub fn instance_name(&self) -> Option<InstanceName> {
        (!self.service.is_empty()).then(|| self.instance.parse().ok()).flatten()
    }
}

fn is_none(milliseconds: &u64) -> bool {
    *milliseconds == 0
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What must hold before a step begins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Wait {
    /// Of this instance,
    pub instance: InstanceName,
    /// this.
    pub condition: Condition,
}

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// What the hosts hold.
    pub current: &'a BTreeMap<String, HostState>,
    /// What they must be, from [`crate::desired::desired`].
    pub target: &'a BTreeMap<String, HostState>,
    /// The release that runs, by stack, as far as it is known: for reasons.
    pub before: &'a BTreeMap<String, Deployment>,
    /// What is being deployed, by stack.
    pub after: &'a BTreeMap<String, Deployment>,
    /// What the hosts say they are, as far as it is known: what is held but does not run is started.
    pub reports: &'a BTreeMap<String, Report>,
    /// The bundles that containers were started with.
    pub started: &'a Started,
    /// When the reports were read: Unix time in nanoseconds.
    pub now: i64,
    /// By host, the names of images there: fingerprint > the engine's own id, for reasons.
    pub image_ids: &'a BTreeMap<String, BTreeMap<String, String>>,
    /// The deployments of `after` were renewed on request ([`Deployment::renew`]): say so.
    pub force_recreate: bool,
}
