//! Report of a host, as values. The fields are those of `landfast.v1.Report`, which explains each of them.
#![allow(missing_docs)] // The fields are those of the wire, and report.proto explains them.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::container::Container;
use crate::deployment::InstanceName;
use crate::host_state::Instance;

/// State of a host, as observed by its agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub epoch: u64,
    #[serde(default)]
    pub owner: String,
    pub generation: u64,
    pub converged: bool,
    pub instances: Vec<InstanceReport>,
    pub problems: Vec<Problem>,
    pub trees: Vec<TreeReport>,
    pub engine_lost: bool,
    #[serde(default)]
    pub units: Vec<UnitReport>,
}

/// State of one unit, as observed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitReport {
    /// Name of the stack; empty for the networks of the fleet.
    pub stack: String,
    pub converged: bool,
}

impl Report {
    /// Whether the host has nothing left to do for a stack, or for the networks of the fleet if the name is empty.
    pub fn is_converged(&self, stack: &str) -> bool {
        let unit = self.units.iter().find(|unit| unit.stack == stack);
        unit.map_or(self.converged, |unit| unit.converged)
    }

    /// Final problem of an instance, in one line. The agent does not retry it.
    pub fn final_problem(&self, name: &InstanceName) -> Option<&str> {
        let resource = name.to_string();
        let is_it = |problem: &&Problem| problem.is_final && problem.is_of(ResourceKind::Instance, &resource);
        let found = self.problems.iter().find(is_it);
        found.and_then(|problem| problem.message.lines().next())
    }

    /// The report about one instance. Of several incarnations, it is the newest.
    pub fn instance(&self, name: &InstanceName) -> Option<&InstanceReport> {
        self.instances.iter().filter(|instance| instance.name == *name).max_by_key(|instance| instance.incarnation)
    }

    /// The report about the container of an instance of a host state, or else about another container of that instance.
    pub fn about(&self, wanted: &Instance) -> Option<&InstanceReport> {
        let own = self.instances.iter().find(|seen| seen.is_of(wanted));
        own.or_else(|| self.instance(&wanted.name))
    }
}

/// State of a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    #[default]
    Unknown,
    Created,
    Running,
    Paused,
    Restarting,
    Exited,
    Dead,
    /// The instance is assigned, and its container does not exist.
    Missing,
}

/// Result of a container's health check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// The container has no health check.
    #[default]
    None,
    Starting,
    Healthy,
    Unhealthy,
}

/// State of one container, as observed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceReport {
    pub name: InstanceName,
    pub container_id: String,
    pub state: ContainerState,
    pub health: Health,
    pub exit_code: i32,
    pub image: String,
    /// Digest of the existing container, not of the assigned one.
    pub digest: String,
    pub release: u64,
    /// Addresses by network.
    pub addresses: BTreeMap<String, String>,
    pub ports: Vec<ReportedPort>,
    /// Start of the container, as Unix time in nanoseconds.
    pub started_at: i64,
    pub restarts: u32,
    pub health_output: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unfinished: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tree: String,
    #[serde(default)]
    pub unmanaged: bool,
    /// Incarnation of the existing container; 0 if it was made by a version that did not number them.
    #[serde(default)]
    pub incarnation: u64,
}

/// Number of restarts from which a container is in a crash loop.
pub(crate) const CRASH_LOOP: u32 = 3;
/// How long a container must run to be out of a crash loop, in nanoseconds.
const STABLE: i64 = 30_000_000_000;

impl InstanceReport {
    /// Whether the reported container is the one of this instance of a host state. An instance without a number has any
    /// container with its digest: the agent decides in the same way.
    pub fn is_of(&self, wanted: &Instance) -> bool {
        let is_numbered = wanted.incarnation == 0 || self.incarnation == wanted.incarnation;
        is_numbered && self.name == wanted.name && self.digest == wanted.digest
    }

    /// Fault of a running container: it is unhealthy, or it keeps exiting. Its output is left out, because it may be secret and
    /// plans are shared. `now` is Unix time in nanoseconds.
    pub fn fault(&self, now: i64) -> Option<String> {
        let is_crashing = self.restarts >= CRASH_LOOP && now.saturating_sub(self.started_at) < STABLE;
        match self.state {
            ContainerState::Running if self.health == Health::Unhealthy => Some("it is unhealthy".to_owned()),
            ContainerState::Restarting => Some(self.exit_summary()),
            ContainerState::Running if is_crashing && self.health != Health::Healthy => Some(self.exit_summary()),
            _ => None,
        }
    }

    /// `it is unhealthy`, with the output of the health check.
    pub(crate) fn unhealthy(&self) -> String {
        match self.health_output.trim() {
            "" => "it is unhealthy".to_owned(),
            output => format!("it is unhealthy: {output}"),
        }
    }

    /// `it keeps exiting`, with the last output of the container.
    pub(crate) fn crash_loop(&self) -> String {
        self.with_output(self.exit_summary())
    }

    fn exit_summary(&self) -> String {
        let Self { restarts, exit_code, .. } = self;
        let status =
            if self.state == ContainerState::Running { String::new() } else { format!(", last status {exit_code}") };
        let times = if *restarts == 1 { "1 restart".to_owned() } else { format!("{restarts} restarts") };
        format!("it keeps exiting: {times}{status}")
    }

    /// `it ended with status 3`, with the last output of the container.
    pub(crate) fn ended(&self) -> String {
        self.with_output(format!("it ended with status {}", self.exit_code))
    }

    /// A sentence, followed by the last output of the container.
    pub(crate) fn with_output(&self, sentence: String) -> String {
        let lines = self.output.lines().map(|line| format!("\n    | {line}")).collect::<String>();
        if lines.is_empty() { sentence } else { format!("{sentence}; the last lines it wrote:{lines}") }
    }

    /// Why this container cannot recover: it failed and its restart policy does not start it again, or a command after its
    /// start failed.
    pub fn permanent_failure(&self, container: &Container) -> Option<String> {
        let policy = container.restart.as_ref().map_or("no", |restart| restart.policy.as_str());
        let ended =
            self.state == ContainerState::Exited && self.exit_code != 0 && matches!(policy, "" | "no" | "on-failure");
        match self.unfinished.as_str() {
            _ if ended => Some(format!("it ended with status {}", self.exit_code)),
            "" => None,
            unfinished => Some(unfinished.lines().next().unwrap_or_default().to_owned()),
        }
    }
}

/// A published port of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedPort {
    pub address: String,
    pub published: u32,
    pub target: u32,
    pub protocol: String,
}

/// A step of the agent that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub step: String,
    /// Instance, network or stack, as in `data/postgres.1`.
    pub resource: String,
    pub message: String,
    /// Whether the agent does not retry the step in this generation.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Stack that the resource belongs to; empty for a network of the fleet.
    #[serde(default)]
    pub stack: String,
    #[serde(default)]
    pub kind: ResourceKind,
}

impl Problem {
    /// Whether the problem is one of this resource. The overlay of a network is a part of the network.
    pub fn is_of(&self, kind: ResourceKind, resource: &str) -> bool {
        let is_kind = match self.kind {
            ResourceKind::Unknown => true,
            ResourceKind::Overlay => matches!(kind, ResourceKind::Network | ResourceKind::Overlay),
            own => own == kind,
        };
        is_kind && self.resource == resource
    }
}

/// Kind of a resource of a host. A network, a volume and a stack may have the same name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceKind {
    /// The agent is too old to report it.
    #[default]
    Unknown,
    Instance,
    Network,
    Overlay,
    Volume,
    Tree,
}

/// State of a live tree, as observed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeReport {
    pub stack: String,
    pub manifest: String,
    pub drift: Vec<String>,
    #[serde(default)]
    pub progress: u64,
}
