//! What a host says it is, as values: field for field `landfast.v1.Report`, where each field is explained.
#![allow(missing_docs)] // The fields are the wire's: report.proto says what each one means.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::container::Container;
use crate::deployment::InstanceName;

/// What a host is, as observed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub epoch: u64,
    pub generation: u64,
    pub converged: bool,
    pub instances: Vec<InstanceReport>,
    pub problems: Vec<Problem>,
    pub trees: Vec<TreeReport>,
    pub engine_lost: bool,
}

impl Report {
    /// What it says about one instance.
    pub fn instance(&self, name: &InstanceName) -> Option<&InstanceReport> {
        self.instances.iter().find(|instance| instance.name == *name)
    }
}

/// What became of a container.
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
    /// Assigned, and no container is there yet.
    Missing,
}

/// What its health check says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It has no health check.
    #[default]
    None,
    Starting,
    Healthy,
    Unhealthy,
}

/// One container, as observed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceReport {
    pub name: InstanceName,
    pub container_id: String,
    pub state: ContainerState,
    pub health: Health,
    pub exit_code: i32,
    pub image: String,
    /// Of the container that is there, not of the one assigned.
    pub digest: String,
    pub release: u64,
    /// By network.
    pub addresses: BTreeMap<String, String>,
    pub ports: Vec<ReportedPort>,
    /// Unix time in nanoseconds.
    pub started_at: i64,
    pub restarts: u32,
    pub health_output: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unfinished: String,
}

impl InstanceReport {
    /// Why nothing becomes of this container any more: it ended with a failure, and its policy does not start it again;
    /// or what has to be run after its start was not.
    pub fn failure_for_good(&self, container: &Container) -> Option<String> {
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

/// A port that is open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedPort {
    pub address: String,
    pub published: u32,
    pub target: u32,
    pub protocol: String,
}

/// A step that did not go through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub step: String,
    /// `data/postgres.1`, a network or a stack.
    pub resource: String,
    pub message: String,
    /// The same step will not be tried again for this generation.
    #[serde(rename = "final")]
    pub is_final: bool,
}

/// A live tree, as observed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeReport {
    pub stack: String,
    pub manifest: String,
    pub drift: Vec<String>,
}
